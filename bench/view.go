// SPDX-License-Identifier: Apache-2.0

package main

import "strings"

// view is how the section of a measurement is shown to people.
type view struct {
	name    string // of the measurement
	title   string
	text    string // what was measured, for the page
	figures []figure
}

// figure is one number of a sample, zero where it was not measured. It
// becomes a table of its own.
type figure struct {
	title string // of the table
	of    func(sample) float64
	show  func(float64) string
	added bool // the table also says what a proxy adds to PostgreSQL alone
}

// views are all sections, in the order of the page.
var views = []view{
	{
		name:  throughput,
		title: "Throughput",
		text: "pgbench's select-only script, each client sending its next transaction as soon as the last one is answered. " +
			"pgbench, the proxy and PostgreSQL share the machine's processors, so PostgreSQL alone is what is left when no proxy takes its part.",
		figures: []figure{
			{title: "Transactions per second", of: func(s sample) float64 { return s.Rate }, show: whole},
			{title: "Processor time of the proxy per transaction", of: func(s sample) float64 { return s.CPU }, show: micros},
		},
	},
	{
		name:  latency,
		title: "Latency when clients crowd",
		text: "The same script with far more clients than connections: what a transaction takes, waiting included, over all transactions of a round. " +
			"In brackets: what the proxy adds to PostgreSQL alone, which serves each client with a process of its own.",
		figures: []figure{
			{title: "Half of the transactions are faster than (p50)", of: func(s sample) float64 { return s.P50 }, show: micros, added: true},
			{title: "99 of 100 transactions are faster than (p99)", of: func(s sample) float64 { return s.P99 }, show: micros, added: true},
		},
	},
	{
		name:  memory,
		title: "Memory per idle client",
		text: "Clients log in with SCRAM-SHA-256 and then do nothing. The growth of the proxy's resident memory from the first tenth of them to all, divided by their number. " +
			"Each round has a new process. The kernel's memory for sockets is not in it. At the end every hundredth client asks a query and must be answered.",
		figures: []figure{
			{title: "Resident memory for each client more", of: func(s sample) float64 { return s.Bytes }, show: kibibytes},
			{title: "Resident memory with all of them", of: func(s sample) float64 { return s.Total }, show: mebibytes},
		},
	},
	{
		name:  logins,
		title: "Logins",
		text:  "Clients connect, log in with SCRAM-SHA-256, ask one query and leave, as a program does that keeps no connection. They remember the salted password, as good drivers do.",
		figures: []figure{
			{title: "Logins per second", of: func(s sample) float64 { return s.Rate }, show: whole},
			{title: "Processor time of the proxy per login", of: func(s sample) float64 { return s.CPU }, show: micros},
		},
	},
	{
		name:  settings,
		title: "Settings of one's own",
		text: "pgbench's select-only script by clients that each have a search_path and a TimeZone of their own, a pgbench process for each, directly after the same with clients that are all alike. " +
			"A connection that had another client before it has to be given the settings first.",
		figures: []figure{
			{title: "Transactions per second with settings of one's own", of: func(s sample) float64 { return s.Rate }, show: whole},
			{title: "Compared with clients that are all alike", of: func(s sample) float64 { return s.Share }, show: times},
			{title: "Processor time of the proxy per transaction with settings of one's own", of: func(s sample) float64 { return s.CPU }, show: micros},
		},
	},
	{
		name:  library,
		title: "Inside a Go program",
		text: "weir.Open and Gateway.Pool beside a bare pgxpool, both with 10 connections: so many goroutines ask for one row after the other, each until it has it. " +
			"Once in one process, and once in four, whose role may have 20 connections where they would open 40. What fails is asked again after 10 ms.",
		figures: []figure{
			{title: "Rows per second", of: func(s sample) float64 { return s.Rate }, show: whole},
			{title: "99 of 100 rows are there after (p99)", of: func(s sample) float64 { return s.P99 }, show: micros},
			{title: "Questions that failed, where some did", of: func(s sample) float64 { return s.Failed }, show: percent},
			{title: "Processor time of the programs per row", of: func(s sample) float64 { return s.CPU }, show: micros},
		},
	},
	{
		name:  restart,
		title: "After a restart of PostgreSQL",
		text:  "The time from the moment PostgreSQL accepts connections again until a client, which connects anew as soon as it is refused, has its first answer.",
		figures: []figure{
			{title: "First answer after", of: func(s sample) float64 { return s.Resume }, show: millis},
		},
	},
}

// String is a sample in a line of progress: what it has of all figures.
func (s sample) String() string {
	if s.Err != "" {
		return "FAILED: " + s.Err
	}
	var parts []string
	seen := map[string]bool{} // sections share fields of a sample
	for _, v := range views {
		for _, f := range v.figures {
			text := f.show(f.of(s))
			if f.of(s) > 0 && !seen[text] {
				seen[text] = true
				parts = append(parts, text)
			}
		}
	}
	return strings.Join(parts, ", ")
}
