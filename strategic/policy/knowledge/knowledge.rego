# Is this insight knowledge? It becomes so when all five questions hold on enough customers, within a tolerance no wider than
# the directive's, and while its time is not over. It stays so while none has failed: a verdict that weakens is shown, and
# takes nothing back yet.
package strata.strategic.knowledge

default allow := false

allow if {
	input.step == "accept"
	claimed
	every verdict in verdicts {
		verdict == "holds"
	}
}

allow if {
	input.step == "keep"
	claimed
	every verdict in verdicts {
		verdict in {"holds", "weakening", "not_enough_data"}
	}
}

# Each of the five is named, so that one that is missing denies.
verdicts := [input.verdicts.volume, input.verdicts.velocity, input.verdicts.variety, input.verdicts.variability, input.verdicts.veracity]

claimed if {
	input.state in {"published", "republished"}
	input.tolerance > 0
	input.tolerance <= input.limit
	input.expiresInHours > 0
	input.n >= least[input.bounded]
}

# Fewer customers give no verdicts: shares and scores have bounds, so that fewer tell as much.
least := {"yes": 100, "no": 400}

reasons contains sprintf("%s failed", [question]) if {
	some question, verdict in input.verdicts
	verdict == "fails"
}

reasons contains sprintf("%s does not hold yet", [question]) if {
	input.step == "accept"
	some question, verdict in input.verdicts
	verdict in {"weakening", "not_enough_data"}
}

reasons contains "its tolerance is wider than the directive's" if input.tolerance > input.limit

reasons contains "its time is over: it was not examined again" if input.expiresInHours <= 0

reasons contains sprintf("it rests on fewer than %d customers", [least[input.bounded]]) if input.n < least[input.bounded]
