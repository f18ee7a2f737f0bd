package bench

import (
	"fmt"
	"html"
	"strings"
)

// bars draws groups of horizontal bars as SVG, Tandem's standing out.
type bars struct {
	title, unit string
	groups      []group
}

type group struct {
	name string
	bars []bar
}

type bar struct {
	name  string
	value float64
}

func (p bars) String() string {
	const (
		left, width, row = 150, 460, 16
		top              = 44
	)
	height, most := top, 0.0
	for _, g := range p.groups {
		height += row*len(g.bars) + 30
		for _, b := range g.bars {
			most = max(most, b.value)
		}
	}
	var s strings.Builder
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n",
		left+width+90, height)
	fmt.Fprintf(&s, `<rect width="100%%" height="100%%" fill="#fff"/><text x="10" y="20" font-size="14" font-weight="bold">%s, %s</text>`+"\n",
		html.EscapeString(p.title), html.EscapeString(p.unit))
	y := top
	for _, g := range p.groups {
		fmt.Fprintf(&s, `<text x="10" y="%d" font-weight="bold">%s</text>`+"\n", y+4, html.EscapeString(g.name))
		y += 12
		for _, b := range g.bars {
			fill := "#9ab"
			if b.name == "Tandem" {
				fill = "#d62"
			}
			w := 0.0
			if most > 0 {
				w = b.value / most * width
			}
			fmt.Fprintf(&s, `<text x="%d" y="%d" text-anchor="end">%s</text><rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/><text x="%.1f" y="%d">%.3g</text>`+"\n",
				left-6, y+row-4, html.EscapeString(b.name), left, y+2, w, row-3, fill, left+w+5, y+row-4, b.value)
			y += row
		}
		y += 18
	}
	s.WriteString("</svg>\n")
	return s.String()
}
