package deps

import (
	_ "github.com/strata-crm/strata/functional"
	_ "github.com/strata-crm/strata/operational"
	_ "github.com/strata-crm/strata/strategic"
)
