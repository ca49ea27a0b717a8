// Package docs holds nothing but tests: of the links in every page of the repository, of the functions that the tour names,
// of the settings and alerts that docs/operations.md lists, and of the form of decision records. It lives in deploy because
// only deploy may know all three services.
package docs
