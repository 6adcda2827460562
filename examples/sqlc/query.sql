-- SPDX-License-Identifier: Apache-2.0

-- name: Create :one
INSERT INTO orders (customer, cents) VALUES ($1, $2) RETURNING id;

-- name: Lock :many
SELECT id FROM orders WHERE customer = $1 FOR UPDATE;

-- name: Double :exec
UPDATE orders SET cents = cents * 2 WHERE id = ANY (sqlc.arg(ids)::bigint[]);

-- name: Totals :many
SELECT customer, count(*) AS orders, sum(cents) AS cents FROM orders GROUP BY customer ORDER BY customer;
