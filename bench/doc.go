// SPDX-License-Identifier: Apache-2.0

// Bench compares weir with PgBouncer and with PostgreSQL alone, side by side
// on one machine: throughput, processor time per transaction, latency with
// more clients than connections, memory per idle client, logins per second,
// and the time until the first answer after PostgreSQL restarts.
//
// Figures of different minutes do not compare, so the contenders take turns
// (A B C A B C …), each case has several rounds, and what is published is a
// median, or the median of the rounds' own ratios. The results go to
// docs/benchmarks.json, and from there to the tables and the plot of
// docs/benchmarks.md.
//
//	go run ./bench                          everything, about half an hour
//	go run ./bench -only throughput -clients 20 -modes prepared
//	go run ./bench -only settings -peers weir,postgres
//	go run ./bench -only library            a Go program's own pool, beside pgxpool
//	go run ./bench -ref /tmp/weir-before    two builds of weir, ratios to standard output
//	go run ./bench -smoke                   everything once, two seconds each, nothing written
package main
