package validity

import (
	"encoding/binary"
	"math"

	"github.com/strata-crm/strata/shared/fault"
)

const (
	fixedPoint   = 1 << 20 // scores, logarithms and influences are kept in units of 2^-20
	maxComponent = 1 << 47 // of a vector: 1.4e14 cents, or 1.3e8 in fixed point
	maxCustomers = 1 << 31
	maxWidth     = 1 << 10
)

// Fixed rounds a real number to whole units of 2^-20, half to even, before it is summed, so that sums are exact and have
// the same bytes in any order. It fails (Invalid) beyond ±2^27.
func Fixed(x float64) (int64, error) {
	r := math.RoundToEven(x * fixedPoint)
	if !(math.Abs(r) <= maxComponent) {
		return 0, fault.New(fault.Invalid, fault.InvalidItem, "%g cannot be summed exactly: need a number within ±2^27; use a larger unit", x)
	}
	return int64(r), nil
}

// Float is the number that [Fixed] made whole units of.
func Float(units int64) float64 { return float64(units) / fixedPoint }

// Moments are the exact count, sums and sums of products of integer vectors, one vector per customer: cents, counts,
// or [Fixed] numbers. Adding, removing, merging and subtracting are exact, so that equal multisets of vectors have equal
// bytes whatever the order of arrival, the partitions, replays and restarts. Not safe for concurrent changes.
//
// 128 bits suffice: components within ±2^47 and at most 2^31 customers keep every sum of products within 2^125.
type Moments struct {
	width int
	n     int64
	sum   []int128 // width
	prod  []int128 // upper triangle by rows: (0,0) (0,1) ... (1,1) ...
}

// NewMoments returns empty moments of vectors with width components, 1 to 1,024. It fails (Invalid) on another width.
func NewMoments(width int) (*Moments, error) {
	if width < 1 || width > maxWidth {
		return nil, fault.New(fault.Invalid, fault.InvalidItem, "moments of %d components: need 1 to %d", width, maxWidth)
	}
	return &Moments{width: width, sum: make([]int128, width), prod: make([]int128, width*(width+1)/2)}, nil
}

// N is the number of customers in the moments.
func (m *Moments) N() int64 { return m.n }

// Width is the number of components.
func (m *Moments) Width() int { return m.width }

// Add takes a customer's vector in. It fails (Invalid), and changes nothing, on a wrong length, a component beyond
// ±2^47, or more than 2^31 customers.
func (m *Moments) Add(z []int64) error { return m.apply(z, 1, int128.add) }

// Remove takes out a vector that was added. It fails as Add does, and on empty moments.
func (m *Moments) Remove(z []int64) error { return m.apply(z, -1, int128.sub) }

func (m *Moments) apply(z []int64, n int64, op func(a, b int128) int128) error {
	if err := m.check(z, n); err != nil {
		return err
	}
	m.n += n
	row := 0
	for i, x := range z {
		if x != 0 {
			m.sum[i] = op(m.sum[i], wide(x))
			for j, y := range z[i:] {
				if y != 0 {
					m.prod[row+j] = op(m.prod[row+j], product(x, y))
				}
			}
		}
		row += m.width - i
	}
	return nil
}

func (m *Moments) check(z []int64, n int64) error {
	if len(z) != m.width {
		return fault.New(fault.Invalid, fault.InvalidItem, "a vector of %d components for moments of %d", len(z), m.width)
	}
	if m.n+n < 0 || m.n+n > maxCustomers {
		return fault.New(fault.Invalid, fault.InvalidItem, "%d customers in one sum: need 0 to %d", m.n+n, int64(maxCustomers))
	}
	for i, x := range z {
		if x > maxComponent || x < -maxComponent {
			return fault.New(fault.Invalid, fault.InvalidItem, "component %d is %d: need a number within ±2^47; use a larger unit", i, x)
		}
	}
	return nil
}

// Merge adds all customers of o, another partition. It fails (Invalid), and changes nothing, when the widths differ or
// the customers become too many.
func (m *Moments) Merge(o *Moments) error { return m.combine(o, o.n, int128.add) }

// Subtract takes out all customers of o, which must have been added. It fails as Merge does, and when o has more.
func (m *Moments) Subtract(o *Moments) error { return m.combine(o, -o.n, int128.sub) }

func (m *Moments) combine(o *Moments, n int64, op func(a, b int128) int128) error {
	if o.width != m.width || m.n+n < 0 || m.n+n > maxCustomers {
		return fault.New(fault.Invalid, fault.InvalidItem, "moments of %d components and %d customers do not go with %d and %d",
			o.width, o.n, m.width, m.n)
	}
	m.n += n
	for i := range m.sum {
		m.sum[i] = op(m.sum[i], o.sum[i])
	}
	for i := range m.prod {
		m.prod[i] = op(m.prod[i], o.prod[i])
	}
	return nil
}

// Mean is the mean of component i, the nearest float64 to the exact one but for one rounding: NaN for no customers.
func (m *Moments) Mean(i int) float64 { return m.sum[i].float() / float64(m.n) }

// covariance is that of components i <= j with divisor n. The difference n Σxy - Σx Σy is taken in whole numbers, so that
// nothing cancels: both terms are below 2^157.
func (m *Moments) covariance(i, j int) float64 {
	d := m.product(i, j).times(wide(m.n)).sub(m.sum[i].times(m.sum[j]))
	return d.float() / (float64(m.n) * float64(m.n))
}

func (m *Moments) product(i, j int) int128 { return m.prod[i*m.width-i*(i-1)/2+j-i] }

// MarshalBinary is the width, the number of customers, the sums and the sums of products, big-endian: equal multisets of
// vectors give equal bytes. It never fails.
func (m *Moments) MarshalBinary() ([]byte, error) {
	b := binary.BigEndian.AppendUint32(nil, uint32(m.width))
	b = binary.BigEndian.AppendUint64(b, uint64(m.n))
	for _, s := range m.sum {
		b = s.append(b)
	}
	for _, p := range m.prod {
		b = p.append(b)
	}
	return b, nil
}

// UnmarshalBinary reads what MarshalBinary wrote. It fails (Invalid), and changes nothing, on other bytes.
func (m *Moments) UnmarshalBinary(b []byte) error {
	const head = 12
	bad := fault.New(fault.Invalid, fault.InvalidItem, "%d bytes are not moments: recompute them from the rows", len(b))
	if len(b) < head {
		return bad
	}
	r, err := NewMoments(int(binary.BigEndian.Uint32(b)))
	if err != nil || len(b) != head+16*(len(r.sum)+len(r.prod)) {
		return bad
	}
	r.n = int64(binary.BigEndian.Uint64(b[4:]))
	if r.n < 0 || r.n > maxCustomers {
		return bad
	}
	b = b[head:]
	for i := range r.sum {
		r.sum[i], b = readInt128(b), b[16:]
	}
	for i := range r.prod {
		r.prod[i], b = readInt128(b), b[16:]
	}
	*m = *r
	return nil
}
