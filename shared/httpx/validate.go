package httpx

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/labstack/echo/v4"

	"github.com/strata-crm/strata/shared/fault"
)

// Validate checks requests against an OpenAPI document and refuses the wrong ones: with 400 where a parameter or the
// JSON is wrong, with 422 and a JSON pointer for each wrong place where the body breaks its schema, with 428 where a
// required If-Match is missing. Operations are found by the routes that generated code registers, with or without the
// path of the document's servers; requests to other routes pass. Values are never repeated in the answer. A document
// that is itself wrong makes every request fail with an internal error.
func Validate(spec *openapi3.T) echo.MiddlewareFunc {
	routes, broken := routesOf(spec)
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if broken != nil {
				return fmt.Errorf("the OpenAPI document is wrong: %w", broken)
			}
			route, ok := routes[c.Request().Method+" "+normal(c.Path())]
			if !ok {
				return next(c)
			}
			if err := validate(c, route); err != nil {
				return err
			}
			return next(c)
		}
	}
}

// variable is a path parameter, as OpenAPI writes it or as echo does.
var variable = regexp.MustCompile(`\{[^/]*\}|:[^/]+`)

// normal makes the paths of OpenAPI and of echo comparable.
func normal(path string) string { return variable.ReplaceAllString(path, "{}") }

func routesOf(spec *openapi3.T) (map[string]*routers.Route, error) {
	if spec == nil {
		return nil, errors.New("there is none")
	}
	bases := []string{""}
	for _, s := range spec.Servers {
		base, err := s.BasePath()
		if err != nil {
			return nil, err
		}
		if base = strings.TrimSuffix(base, "/"); base != "" {
			bases = append(bases, base)
		}
	}
	out := map[string]*routers.Route{}
	for path, item := range spec.Paths.Map() {
		for method, op := range item.Operations() {
			r := &routers.Route{Spec: spec, Path: path, PathItem: item, Method: method, Operation: op}
			for _, base := range bases {
				out[method+" "+normal(base+path)] = r
			}
		}
	}
	return out, nil
}

func validate(c echo.Context, route *routers.Route) error {
	params := map[string]string{}
	for _, name := range c.ParamNames() {
		params[name] = c.Param(name)
	}
	err := openapi3filter.ValidateRequest(c.Request().Context(), &openapi3filter.RequestValidationInput{
		Request: c.Request(), PathParams: params, Route: route,
		Options: &openapi3filter.Options{
			MultiError: true, RejectWhenRequestBodyNotSpecified: true,
			// Who may call was decided before: by the sign-in around every route.
			AuthenticationFunc: openapi3filter.NoopAuthenticationFunc,
		},
	})
	return faultOf(err)
}

// faultOf turns what the filter found into fault errors, one per place.
func faultOf(err error) error {
	if err == nil {
		return nil
	}
	var big *http.MaxBytesError
	if errors.As(err, &big) {
		return big
	}
	var found []error
	leaves(err, nil, &found)
	if joined := errors.Join(found...); joined != nil {
		return joined
	}
	return fmt.Errorf("the request is refused, but no place is named: %w", err) // an empty list must not pass
}

// leaves walks the filter's nested lists down to single findings; in is the request error around them.
func leaves(err error, in *openapi3filter.RequestError, found *[]error) {
	switch x := err.(type) { // the tree is walked level by level
	case openapi3.MultiError:
		for _, e := range x {
			leaves(e, in, found)
		}
	case *openapi3filter.RequestError:
		if x.Err != nil {
			leaves(x.Err, x, found)
			return
		}
		*found = append(*found, requestFault(x, nil))
	default:
		*found = append(*found, requestFault(in, err))
	}
}

func requestFault(in *openapi3filter.RequestError, cause error) error {
	var schema *openapi3.SchemaError
	isSchema := errors.As(cause, &schema)
	if in != nil && in.Parameter != nil {
		if in.Parameter.In == openapi3.ParameterInHeader && strings.EqualFold(in.Parameter.Name, headerIfMatch) && errors.Is(cause, openapi3filter.ErrInvalidRequired) {
			_, err := ParseIfMatch("")
			return err
		}
		return &fault.Error{Kind: fault.Invalid, Code: fault.BadRequest, At: in.Parameter.Name, Text: parameterText(in, schema), Err: cause}
	}
	if isSchema {
		return &fault.Error{Kind: fault.Invalid, Code: fault.InvalidItem, At: pointerTo(schema), Text: schema.Reason, Err: cause}
	}
	if errors.Is(cause, openapi3filter.ErrInvalidRequired) {
		return fault.New(fault.Invalid, fault.BadRequest, "this request needs a body: send it as JSON")
	}
	if cause == nil { // the filter found no decoder for the Content-Type
		return echo.ErrUnsupportedMediaType
	}
	return &fault.Error{Kind: fault.Invalid, Code: fault.BadRequest, Err: cause,
		Text: "the request's body cannot be read: send what the API's description asks for, as application/json"}
}

func parameterText(in *openapi3filter.RequestError, schema *openapi3.SchemaError) string {
	if schema != nil {
		return "the " + in.Parameter.In + " parameter is wrong: " + schema.Reason
	}
	if in.Parameter.Required && errors.Is(in.Err, openapi3filter.ErrInvalidRequired) {
		return "the " + in.Parameter.In + " parameter is required"
	}
	return "the " + in.Parameter.In + " parameter cannot be read: check its type"
}

// unsupported is how the filter names a property that the schema does not know; its own pointer ends above it.
var unsupported = regexp.MustCompile(`^property "(.+)" is unsupported$`)

// pointerTo returns the JSON pointer (RFC 6901) to the wrong place; the empty text is the whole body.
func pointerTo(e *openapi3.SchemaError) string {
	path := e.JSONPointer()
	if m := unsupported.FindStringSubmatch(e.Reason); m != nil {
		path = append(path, m[1])
	}
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	var b strings.Builder
	for _, p := range path {
		b.WriteString("/" + escape.Replace(p))
	}
	return b.String()
}
