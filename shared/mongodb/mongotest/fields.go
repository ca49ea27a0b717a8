package mongotest

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// AddFieldsOf adds to paths the fields that a filter names, those below an $elemMatch too: what an index could serve. _id, and what no
// index can be on, is left out.
func AddFieldsOf(filter bson.Raw, paths []string) []string { return fieldsBelow("", filter, paths) }

// AddPath adds a field unless it is there, or no index can be on it.
func AddPath(paths []string, path string) []string {
	if path == "" || path == "_id" || strings.HasPrefix(path, "$") || strings.Contains(path, "\x00") || slices.Contains(paths, path) {
		return paths
	}
	return append(paths, path)
}

func fieldsBelow(prefix string, filter bson.Raw, paths []string) []string {
	for _, e := range elements(filter) {
		switch name, v := e.Key(), e.Value(); {
		case !strings.HasPrefix(name, "$"):
			paths = fieldsOfCondition(prefix+name, v, AddPath(paths, prefix+name))
		case v.Type == bson.TypeArray:
			for _, branch := range elements(v.Value) {
				paths = fieldsBelow(prefix, document(branch.Value()), paths)
			}
		}
	}
	return paths
}

// fieldsOfCondition looks for $elemMatch, alone, negated, or in $all.
func fieldsOfCondition(path string, condition bson.RawValue, paths []string) []string {
	for _, e := range elements(document(condition)) {
		switch v := e.Value(); e.Key() {
		case "$elemMatch":
			paths = fieldsBelow(path+".", document(v), paths)
		case "$not":
			paths = fieldsOfCondition(path, v, paths)
		case "$all":
			for _, one := range elements(v.Value) {
				paths = fieldsOfCondition(path, one.Value(), paths)
			}
		}
	}
	return paths
}

func document(v bson.RawValue) bson.Raw {
	d, _ := v.DocumentOK()
	return d
}

// elements returns the elements of a document or an array; none of what is neither.
func elements(d bson.Raw) []bson.RawElement {
	all, err := d.Elements()
	if err != nil {
		return nil
	}
	return all
}
