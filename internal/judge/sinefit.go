package judge

import "math"

// FitSine fits a·cos + b·sin + c to samples, with the frequency free (the
// four-parameter fit of IEEE 1057). It returns the frequency, the amplitude,
// and what is left in dB below the sine: THD+N.
func FitSine(x []float64, rate, hz float64) (freq, amplitude, thdn float64) {
	w := 2 * math.Pi * hz / rate
	a, b, c := 0.0, 0.0, 0.0
	for range 4 {
		var m [4][5]float64
		for i, v := range x {
			t := float64(i) - float64(len(x))/2
			sin, cos := math.Sincos(w * t)
			row := [4]float64{cos, sin, 1, t * (b*cos - a*sin)}
			for r := range row {
				for k := range row {
					m[r][k] += row[r] * row[k]
				}
				m[r][4] += row[r] * v
			}
		}
		if a == 0 && b == 0 { // the first pass knows no amplitude: its frequency stays
			m[3] = [5]float64{0, 0, 0, 1, 0}
		}
		s := solve(m)
		a, b, c, w = s[0], s[1], s[2], w+s[3]
	}
	rest := 0.0
	for i, v := range x {
		sin, cos := math.Sincos(w * (float64(i) - float64(len(x))/2))
		e := v - a*cos - b*sin - c
		rest += e * e
	}
	amplitude = math.Hypot(a, b)
	rms := math.Sqrt(rest / float64(len(x)))
	return w * rate / (2 * math.Pi), amplitude, 20 * math.Log10(rms/(amplitude/math.Sqrt2))
}

// solve solves four equations by elimination.
func solve(m [4][5]float64) (x [4]float64) {
	for i := range m {
		p := i
		for r := i; r < 4; r++ {
			if math.Abs(m[r][i]) > math.Abs(m[p][i]) {
				p = r
			}
		}
		m[i], m[p] = m[p], m[i]
		for r := range m {
			if r == i {
				continue
			}
			f := m[r][i] / m[i][i]
			for k := i; k < 5; k++ {
				m[r][k] -= f * m[i][k]
			}
		}
	}
	for i := range x {
		x[i] = m[i][4] / m[i][i]
	}
	return x
}
