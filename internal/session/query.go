// SPDX-License-Identifier: Apache-2.0

package session

import "context"

// Query runs SQL of weir's own on one of the pool's upstreams, for which it waits
// in the queue. It returns the rows, of two columns: the second by the first, in
// lower case. The SQL must not depend on settings: they are whatever the last
// client had.
func (p *Pool) Query(ctx context.Context, sql string) (rows map[string]string, err error) {
	return p.query(ctx, false, sql)
}

// QueryBehind is Query for what no client waits for: it waits behind them, counts
// as nobody's wait, and opens no connection.
func (p *Pool) QueryBehind(ctx context.Context, sql string) (rows map[string]string, err error) {
	return p.query(ctx, true, sql)
}

func (p *Pool) query(ctx context.Context, own bool, sql string) (rows map[string]string, err error) {
	_, err = p.visit(ctx, own, nil, func(x *exchange) (err error) {
		rows, err = x.ask(sql)
		return err
	})
	return rows, err
}
