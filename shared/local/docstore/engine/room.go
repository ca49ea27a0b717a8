package engine

// room is where copies of keys and values go. They share pieces of memory, which grow with their number: one alone costs
// no more than it needs, and thousands cost few allocations.
type room []byte

const (
	firstRoom = 1 << 8
	mostRoom  = 32 << 10
)

// expect makes room for so many bytes, or for as many as a piece may have.
func (r *room) expect(n int) {
	if n = min(n, mostRoom); n > cap(*r)-len(*r) {
		*r = make([]byte, 0, n)
	}
}

// copy returns a copy of b that stays valid, and that an append to it does not spoil. It is never nil.
func (r *room) copy(b []byte) []byte {
	if *r == nil || len(b) > cap(*r)-len(*r) {
		*r = make([]byte, 0, max(len(b), min(mostRoom, max(firstRoom, 2*cap(*r)))))
	}
	start := len(*r)
	*r = append(*r, b...)
	return (*r)[start:len(*r):len(*r)]
}
