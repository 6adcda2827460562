// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	ferryIfAsked()
	skipExamples()
	os.Exit(m.Run())
}
