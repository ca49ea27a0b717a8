# May a goal's status rest on this insight? While no verdict has fallen, yes. A fallen verdict changes the proof of the goal and
# not its status, as shipped; where the governance directive says so, it changes the status too, which is then not measurable.
package strata.strategic.rest

default allow := false

allow if count(input.fallen) == 0

allow if changes in {"proof", ""}

changes := object.get(data.governance, "fallenInsight", "proof")

reasons contains sprintf("%s failed on it, and the governance directive lets no status rest on that", [question]) if {
	not allow
	some question in input.fallen
}
