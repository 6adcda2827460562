// SPDX-License-Identifier: Apache-2.0

package main

import (
	_ "embed"
	"fmt"
	"io"
	"math"
	"text/template"
)

// The plot's measures, in pixels of its own coordinates.
const (
	plotLeft   = 56  // of the axis, after its labels
	plotTop    = 64  // of the bars, below title and legend
	plotHeight = 240 // of the highest bar
	plotFoot   = 52  // for labels below the bars
	barWidth   = 22
	barGap     = 2  // between bars of a group
	groupGap   = 26 // between groups of a panel
	panelGap   = 44 // between panels
)

//go:embed plot.svg.tmpl
var plotText string

// plotTemplate takes a plot. A contender's name is also the class of its style.
var plotTemplate = template.Must(template.New("plot").Parse(plotText))

// plot is a drawing that only needs to be put into SVG.
type plot struct {
	Width, Height int
	Left, Right   int // of the grid
	Legend        []mark
	Grid          []mark
	Bars          []bar
	Groups        []mark // numbers of clients
	Panels        []mark // modes
}

// mark is a text at a place.
type mark struct {
	X, Y int
	Text string
}

// bar is one contender in one case.
type bar struct {
	X, Y, Width, Height int
	Contender           string // and the class of its style
	Label               string // above the bar: thousands per second
	Title               string // in full, for pointers and screen readers
}

// drawThroughput writes the plot of transactions per second: a panel per mode,
// a group per number of clients, a bar per contender.
func drawThroughput(w io.Writer, s section) error {
	return plotTemplate.Execute(w, layOut(s, views[0].figures[0]))
}

// layOut places the bars of a figure from left to right.
func layOut(s section, f figure) plot {
	names := s.contenders()
	top := ceiling(s.highest(f))
	p := plot{Left: plotLeft, Height: plotTop + plotHeight + plotFoot}
	x, mode, from := plotLeft+groupGap/2, "", 0
	for i, c := range s.cases() {
		if c.Mode != mode {
			if i > 0 {
				p.Panels = append(p.Panels, panel(mode, from, x-groupGap))
				x += panelGap - groupGap
			}
			mode, from = c.Mode, x
		}
		p.group(s, f, c, names, x, top)
		x += len(names)*(barWidth+barGap) - barGap + groupGap
	}
	p.Panels = append(p.Panels, panel(mode, from, x-groupGap))
	p.Right = x - groupGap/2
	p.Width = max(p.Right+12, 400)
	p.grid(top)
	p.legend(names)
	return p
}

// group places the bars of one case, the first at x.
func (p *plot) group(s section, f figure, c scenario, names []string, x int, top float64) {
	for i, name := range names {
		values := f.values(s.row(c, name).Samples)
		if len(values) == 0 {
			continue
		}
		v := median(values)
		height := int(math.Round(v / top * plotHeight))
		p.Bars = append(p.Bars, bar{
			X: x + i*(barWidth+barGap), Y: plotTop + plotHeight - height, Width: barWidth, Height: height,
			Contender: name,
			Label:     fmt.Sprintf("%.0f", v/1000),
			Title:     fmt.Sprintf("%s, %s: %s", name, c, whole(v)),
		})
	}
	width := len(names)*(barWidth+barGap) - barGap
	p.Groups = append(p.Groups, mark{X: x + width/2, Y: plotTop + plotHeight + 18, Text: plural(c.Clients, "client")})
}

// grid adds a line with a label for each quarter of the height.
func (p *plot) grid(top float64) {
	for i := range 5 {
		p.Grid = append(p.Grid, mark{
			X: plotLeft - 8, Y: plotTop + plotHeight - i*plotHeight/4,
			Text: fmt.Sprintf("%g k", top/4*float64(i)/1000),
		})
	}
}

func (p *plot) legend(names []string) {
	for i, name := range names {
		p.Legend = append(p.Legend, mark{X: plotLeft + i*110, Y: 34, Text: name})
	}
}

func panel(mode string, from, to int) mark {
	return mark{X: (from + to) / 2, Y: plotTop + plotHeight + 40, Text: mode}
}

// highest is the largest median of the figure.
func (s section) highest(f figure) float64 {
	highest := 0.0
	for _, r := range s.Rows {
		if values := f.values(r.Samples); len(values) > 0 {
			highest = max(highest, median(values))
		}
	}
	return highest
}

// ceiling is a round number at or above v, whose quarters are round too.
func ceiling(v float64) float64 {
	if v <= 0 {
		return 4000
	}
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, step := range []float64{1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10} {
		if step*unit >= v {
			return step * unit
		}
	}
	return 10 * unit
}
