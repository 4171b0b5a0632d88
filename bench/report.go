package main

import (
	"fmt"
	"strings"
)

// table is one of Markdown.
type table struct {
	title string
	rows  [][6]string
}

func newTable(title string) *table {
	return &table{title: title, rows: [][6]string{
		{"what", "ours (median, min–max)", "ffmpeg (median, min–max)", "ratio", "target", "met?"},
		{"---", "---", "---", "---", "---", "---"},
	}}
}

func (t *table) row(cells ...string) {
	var r [6]string
	copy(r[:], cells)
	t.rows = append(t.rows, r)
}

// cpu adds a row with a bound for the ratio, 0 for none.
func (t *table) cpu(what string, ours, theirs series, most float64) {
	ratio := ours.median() / theirs.median()
	target, met := "", ""
	if most > 0 {
		target, met = fmt.Sprintf("≤ %.2f", most), verdict(ratio <= most)
	}
	t.row(what, ours.show("%.2f"), theirs.show("%.2f"), fmt.Sprintf("%.2f", ratio), target, met)
}

// memory adds a row with a bound for our peak, 0 for none.
func (t *table) memory(what string, ours, theirs series, most float64) {
	target, met := "", ""
	if most > 0 {
		target, met = fmt.Sprintf("≤ %.0f MiB", most), verdict(ours.median() <= most)
	}
	t.row(what, ours.show("%.0f"), theirs.show("%.0f"), fmt.Sprintf("%.2f", ours.median()/theirs.median()), target, met)
}

func (t *table) size(what string, ours, theirs int64) {
	t.row(what, fmt.Sprintf("%.2f", float64(ours)/1e6), fmt.Sprintf("%.2f", float64(theirs)/1e6),
		fmt.Sprintf("%.2f", float64(ours)/float64(theirs)))
}

func (t *table) plain(what, ours, theirs string) { t.row(what, ours, theirs) }

// most adds a row of ours alone that is to stay below a bound.
func (t *table) most(what string, ours series, most float64) {
	t.row(what, ours.show("%.3f"), "", "", fmt.Sprintf("< %g", most), verdict(ours.median() < most))
}

func (t *table) print() {
	fmt.Printf("\n### %s\n\n", t.title)
	for _, r := range t.rows {
		fmt.Println("| " + strings.Join(r[:], " | ") + " |")
	}
}

func verdict(met bool) string {
	if met {
		return "yes"
	}
	return "**missed**"
}
