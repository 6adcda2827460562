// SPDX-License-Identifier: Apache-2.0

// Package observe counts and times what weir does, and describes its state in
// one [Snapshot] from which the status page, Prometheus and every other reader
// work. Readers never touch a live connection.
//
// Writing is for the event loops: [Counter] and [Histogram] keep one shard for
// each loop, so that loops do not contend for a cache line. They may be written
// and read by any number of goroutines at once, without a lock.
package observe
