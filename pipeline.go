// SPDX-License-Identifier: Apache-2.0

package weir

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Statement is one statement of [BatchPipeline].
type Statement[T any] struct {
	SQL  string
	Args []any // for $1 and so on, or one pgx.NamedArgs

	// Read makes the result of the rows, see [OneRow] and [AllRows]. nil, for a
	// statement of which only the success counts, gives the zero T.
	Read func(rows pgx.Rows) (T, error)
}

// OneRow is a Statement.Read that takes one row, or fails with pgx.ErrNoRows.
// to is a function such as pgx.RowTo or pgx.RowToStructByName.
func OneRow[T any](to pgx.RowToFunc[T]) func(pgx.Rows) (T, error) {
	return func(rows pgx.Rows) (T, error) { return pgx.CollectOneRow(rows, to) }
}

// AllRows is a Statement.Read that takes all rows.
func AllRows[T any](to pgx.RowToFunc[T]) func(pgx.Rows) ([]T, error) {
	return func(rows pgx.Rows) ([]T, error) { return pgx.CollectRows(rows, to) }
}

// BatchPipeline sends all statements at once and returns their results in
// order: one round trip, whether PostgreSQL has seen the statements before or
// not. They are one transaction; if one fails none has happened, and the error
// is a [*BatchError]. A statement must not begin or end a transaction itself.
//
// Nothing is run again. If the connection is lost while the answer is due the
// error is [ErrCommitUnknown]. A Read that fails, after PostgreSQL did what it
// was asked, undoes nothing.
//
// So that no round trip is needed to ask for the types of parameters, arguments
// are sent as their Go types say, as with pgx.QueryExecModeExec: numbers,
// strings, bool, []byte, time.Time and what encodes itself will do; other values,
// such as a struct for a jsonb, have to be made text first.
func BatchPipeline[T any](ctx context.Context, pool *pgxpool.Pool, statements ...Statement[T]) ([]T, error) {
	results := make([]T, len(statements))
	if len(statements) == 0 {
		return results, nil
	}
	err := pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
		batch, err := encode(ctx, c.Conn(), statements)
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err // so that afterwards the statements are known to have been sent
		}
		return read(c.Conn(), c.Conn().PgConn().ExecBatch(ctx, batch), statements, results)
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

// encode makes the messages of all statements.
func encode[T any](ctx context.Context, conn *pgx.Conn, statements []Statement[T]) (*pgconn.Batch, error) {
	batch := &pgconn.Batch{}
	var builder pgx.ExtendedQueryBuilder
	for i, s := range statements {
		sql, args, err := s.SQL, s.Args, error(nil)
		if rewriter, ok := first(args).(pgx.QueryRewriter); ok {
			sql, args, err = rewriter.RewriteQuery(ctx, conn, sql, args[1:])
		}
		if err == nil {
			err = builder.Build(conn.TypeMap(), nil, args)
		}
		if err != nil {
			return nil, &BatchError{Index: i, Err: err}
		}
		batch.ExecParams(sql, builder.ParamValues, nil, builder.ParamFormats, builder.ResultFormats)
	}
	return batch, nil
}

func first(args []any) any {
	if len(args) == 0 {
		return nil
	}
	return args[0]
}

// read takes in the answers to statements. The error is that of the first one
// that failed, whether in PostgreSQL or in its Read.
func read[T any](conn *pgx.Conn, answers *pgconn.MultiResultReader, statements []Statement[T], results []T) error {
	var failed *BatchError
	done := 0
	for ; answers.NextResult(); done++ {
		rows := pgx.RowsFromResultReader(conn.TypeMap(), answers.ResultReader())
		if err := readOne(rows, statements[done].Read, &results[done]); err != nil {
			failed = &BatchError{Index: done, Err: err}
			break
		}
	}
	err := answers.Close()
	switch {
	case err == nil && failed == nil:
		return nil
	case err == nil:
		return failed
	case !rolledBack(err):
		return &CommitUnknownError{Err: err}
	case failed != nil:
		return failed
	case done < len(statements):
		return &BatchError{Index: done, Err: err}
	}
	return fmt.Errorf("the batch was rolled back at its end: %w", err) // a deferred constraint, a conflict
}

// readOne reads the rows of one statement to their end.
func readOne[T any](rows pgx.Rows, read func(pgx.Rows) (T, error), result *T) (err error) {
	defer rows.Close()
	if read != nil {
		if *result, err = read(rows); err != nil {
			return err
		}
	}
	rows.Close()
	return rows.Err()
}
