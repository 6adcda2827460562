// SPDX-License-Identifier: Apache-2.0

// Package schema is what ent generates its code from.
package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema/field"
)

// Order is one thing that a customer wants.
type Order struct{ ent.Schema }

// Fields are the columns besides id.
func (Order) Fields() []ent.Field {
	return []ent.Field{field.String("customer"), field.Int("cents")}
}
