// Package docs holds nothing but tests: of the links in every page of the repository, of the settings and alerts that
// docs/operations.md lists, and of the example configuration. It lives in deploy because only deploy may know all three
// services.
package docs
