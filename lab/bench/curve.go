package bench

import (
	"fmt"
	"html"
	"strings"
)

// curves draws small plots below each other as SVG, all with one x axis.
type curves struct {
	title, x string // what the plots are about; what goes to the right
	panels   []panel
}

// panel is one of them.
type panel struct {
	title string
	lines []curve
}

// curve is one line, by points.
type curve struct {
	name string
	x, y []float64
}

var curveColours = []string{"#d62", "#479", "#595"}

func (c curves) String() string {
	const (
		left, right, width = 60, 130, 420
		top, height, gap   = 60, 110, 50
	)
	mostX := 0.0
	for _, p := range c.panels {
		for _, l := range p.lines {
			for _, x := range l.x {
				mostX = max(mostX, x)
			}
		}
	}
	var s strings.Builder
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n",
		left+width+right, top+len(c.panels)*(height+gap)+10)
	fmt.Fprintf(&s, `<rect width="100%%" height="100%%" fill="#fff"/><text x="10" y="20" font-size="14" font-weight="bold">%s</text>`+"\n", html.EscapeString(c.title))
	for i, p := range c.panels {
		y0 := float64(top + i*(height+gap) + height)
		mostY := 0.0
		for _, l := range p.lines {
			for _, y := range l.y {
				mostY = max(mostY, y)
			}
		}
		at := func(x, y float64) (float64, float64) {
			return left + width*x/max(mostX, 1), y0 - height*y/max(mostY, 1e-9)
		}
		fmt.Fprintf(&s, `<text x="10" y="%.0f" font-weight="bold">%s</text>`+"\n", y0-height-10, html.EscapeString(p.title))
		fmt.Fprintf(&s, `<path d="M%d %.0fV%.0fH%d" fill="none" stroke="#999"/><text x="%d" y="%.0f" text-anchor="end">%.3g</text><text x="%d" y="%.0f" text-anchor="end">0</text>`+"\n",
			left, y0-height, y0, left+width, left-5, y0-height+10, mostY, left-5, y0)
		for j, l := range p.lines {
			colour := curveColours[j%len(curveColours)]
			var points strings.Builder
			var x, y float64
			for k := range l.x {
				x, y = at(l.x[k], l.y[k])
				fmt.Fprintf(&points, "%.1f,%.1f ", x, y)
				fmt.Fprintf(&s, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`, x, y, colour)
				if i == len(c.panels)-1 && j == 0 {
					fmt.Fprintf(&s, `<text x="%.1f" y="%.0f" text-anchor="middle">%.0f</text>`, x, y0+15, l.x[k])
				}
			}
			fmt.Fprintf(&s, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/><text x="%.1f" y="%.1f" fill="%s">%s</text>`+"\n",
				strings.TrimSpace(points.String()), colour, x+8, y+4, colour, html.EscapeString(l.name))
		}
	}
	fmt.Fprintf(&s, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n</svg>\n",
		left+width/2, top+len(c.panels)*(height+gap)-gap+32, html.EscapeString(c.x))
	return s.String()
}
