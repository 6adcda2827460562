// SPDX-License-Identifier: Apache-2.0

package observe

// Bounds are the inclusive upper ends of all buckets but the last.
var Bounds = bounds[:]

// MaxSeries is how many pools get label values of their own.
const MaxSeries = maxSeries
