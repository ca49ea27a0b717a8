// Package manifest holds the tests of what describes an installation: the Compose file, the Kubernetes manifests and the
// example configuration. No container engine and no cluster runs where this repository is built, so the tests read those
// files strictly, as far as they use the formats, and compare them with what the code requires: names of settings,
// secrets, ports, probes, topics and the broker's settings. They cannot show that an image exists or starts.
package manifest
