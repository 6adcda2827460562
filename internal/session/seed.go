// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/sqltext"
	"github.com/weir-pg/weir/internal/wire"
)

// The setting seed is no state to be brought along: to set it, for the session or
// for the transaction, begins the series of random() anew at once, and no rollback
// undoes that (PostgreSQL: assign_random_seed in variable.c).
const seedSetting = "seed"

// seeds reports whether the statement begins the series of random() anew. Giving
// the setting its default does nothing.
func seeds(st sqltext.Statement) bool {
	return st.Name == seedSetting && (st.Kind == sqltext.Set || st.Kind == sqltext.SetLocal)
}

// seedOf returns why a Bind pins of a statement with a parameter for the name of a
// setting, by the rest of its message: the values are in it as they are.
func seedOf(e *effect, rest []byte, whole bool) reasons {
	switch {
	case !e.maySeed:
		return 0
	case !whole:
		return functions // it is too long to be read
	}
	for value := range wire.BindValues(rest) {
		if strings.EqualFold(string(value), seedSetting) {
			return functions
		}
	}
	return 0
}

// checkSeed refuses what PostgreSQL would refuse as a seed at login (guc.c:
// parse_and_validate_value). What it takes there does nothing (check_random_seed).
func checkSeed(value string) error {
	refuse := func(format string, args ...any) error {
		return &sqlstate.Error{Severity: sqlstate.SeverityFatal, Code: sqlstate.InvalidParameterValue, Message: fmt.Sprintf(format, args...)}
	}
	text := strings.TrimSpace(value)
	seed, err := strconv.ParseFloat(text, 64)
	if n, bad := strconv.ParseInt(text, 0, 64); err != nil && bad == nil {
		seed, err = float64(n), nil // PostgreSQL reads 0x1 too
	}
	switch {
	case err != nil || math.IsNaN(seed) || strings.Contains(text, "_"):
		return refuse("invalid value for parameter %q: %q", seedSetting, value)
	case seed < -1 || seed > 1:
		return refuse("%s is outside the valid range for parameter %q (-1 .. 1)", strconv.FormatFloat(seed, 'g', 6, 64), seedSetting)
	}
	return nil
}
