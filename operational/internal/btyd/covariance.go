package btyd

import "gonum.org/v1/gonum/mat"

// LogCovariance is the covariance of the logarithms of the model's parameters, in the order of its fields: the inverse
// of the observed information. With it the error of a figure read off the model follows by the delta method. It is nil
// for a fit that was not made by this package's functions.
func (f *Fit[M]) LogCovariance() *mat.SymDense {
	if f.estimate == nil {
		return nil
	}
	out := mat.NewSymDense(f.estimate.cov.SymmetricDim(), nil)
	out.CopySym(&f.estimate.cov)
	return out
}
