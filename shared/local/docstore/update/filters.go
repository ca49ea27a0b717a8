package update

import (
	"regexp"
	"strings"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/query"
	"go.mongodb.org/mongo-driver/v2/bson"
)

var identifier = regexp.MustCompile(`^[a-z][a-zA-Z0-9]*$`)

func parseFail(format string, args ...any) error {
	return mongoerr.New(mongoerr.FailedToParse, format, args...)
}

// compileFilters makes a matcher for each array filter, by identifier. It matches a document of the identifier and the
// element.
func compileFilters(raw []bson.Raw, env *expr.Env) (map[string]*query.Matcher, error) {
	out := map[string]*query.Matcher{}
	for _, f := range raw {
		id := ""
		if err := rootOf(f, &id); err != nil {
			return nil, err
		}
		switch {
		case id == "":
			return nil, parseFail("Cannot use an expression without a top-level field name in arrayFilters")
		case !identifier.MatchString(id):
			return nil, mongoerr.New(mongoerr.BadValue,
				"The top-level field name must be an alphanumeric string beginning with a lowercase letter, found '%s'", id)
		case out[id] != nil:
			return nil, parseFail("Found multiple array filters with the same top-level field name %s", id)
		}
		m, err := query.Compile(f, query.Options{Env: env, InMatch: true})
		if err != nil {
			return nil, err
		}
		out[id] = m
	}
	return out, nil
}

// rootOf finds the one name that all paths of an array filter begin with.
func rootOf(f bson.Raw, id *string) error {
	for it := bsonx.Elements(f); it.Next(); {
		key := string(it.Key())
		switch {
		case key == "$and" || key == "$or" || key == "$nor":
			for in := bsonx.Items(it.Value()); in.Next(); {
				if err := rootOf(in.Value().Value, id); err != nil {
					return err
				}
			}
			continue
		case key == "$expr":
			return mongoerr.New(mongoerr.QueryFeatureNotAllowed, "$expr is not allowed in this context")
		case strings.HasPrefix(key, "$"):
			return mongoerr.New(mongoerr.BadValue, "%s is not allowed in this context", key)
		}
		head, _, _ := bsonx.CutPath(key)
		if *id != "" && *id != head {
			return parseFail("Error parsing array filter :: caused by :: Expected a single top-level field name, found '%s' and '%s'", *id, head)
		}
		*id = head
	}
	return nil
}

// checkFilters finds identifiers without a filter (2) and filters without a use (9).
func (u *Update) checkFilters(paths []string) error {
	used := map[string]bool{}
	for _, path := range paths {
		for part := range strings.SplitSeq(path, ".") {
			u.positional = u.positional || part == "$"
			if !isArrayAll(part) || part == "$[]" {
				continue
			}
			id := part[2 : len(part)-1]
			if u.filters[id] == nil {
				return mongoerr.New(mongoerr.BadValue, "No array filter found for identifier '%s' in path '%s'", id, path)
			}
			used[id] = true
		}
	}
	for id := range u.filters {
		if !used[id] {
			return parseFail("The array filter for identifier '%s' was not used in the update", id)
		}
	}
	return nil
}
