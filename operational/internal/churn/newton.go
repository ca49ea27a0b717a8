package churn

import (
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

const (
	newtonSteps  = 50
	gradientGoal = 1e-9 // per customer; the objective is then exact to far below 1e-9
)

// regression is a logistic regression with a ridge: it minimises
//
//	-sum_i [t_i ln p_i + (1-t_i) ln(1-p_i)] + penalty/2 sum_{j>0} theta_j^2,   p = 1/(1+e^(-x theta)),
//
// where column 0 of x is the intercept, which carries no penalty (le Cessie & van Houwelingen 1992).
type regression struct {
	x       *mat.Dense // n by p
	target  []float64  // n values in [0, 1]
	penalty float64
}

// sigmoid is 1/(1+e^-f).
func sigmoid(f float64) float64 {
	if f >= 0 {
		return 1 / (1 + math.Exp(-f))
	}
	e := math.Exp(f)
	return e / (1 + e)
}

// softplus is ln(1+e^f).
func softplus(f float64) float64 {
	return math.Max(f, 0) + math.Log1p(math.Exp(-math.Abs(f)))
}

func (r regression) value(theta, fitted []float64) float64 {
	blas64.Gemv(blas.NoTrans, 1, r.x.RawMatrix(), vector(theta), 0, vector(fitted))
	sum := 0.0
	for i, f := range fitted {
		sum += softplus(f) - r.target[i]*f
	}
	return sum + r.penalty/2*floats.Dot(theta[1:], theta[1:])
}

func vector(v []float64) blas64.Vector { return blas64.Vector{N: len(v), Inc: 1, Data: v} }

// minimise takes Newton steps (iteratively reweighted least squares), halved while they do not help: the objective is
// convex. It returns the minimum, which exists with a penalty or with all targets inside (0, 1), and the curvature there;
// model_not_identified where it is no regular one.
func (r regression) minimise(start []float64) (theta []float64, curvature *mat.Cholesky, err error) {
	n, p := r.x.Dims()
	theta = append([]float64(nil), start...)
	fitted, grad, residual, next := make([]float64, n), make([]float64, p), make([]float64, n), make([]float64, p)
	f := r.value(theta, fitted)
	for range newtonSteps {
		var chol mat.Cholesky
		if !chol.Factorize(r.curvature(fitted, residual)) {
			return nil, nil, singular()
		}
		blas64.Gemv(blas.Trans, 1, r.x.RawMatrix(), vector(residual), 0, vector(grad))
		floats.AddScaled(grad[1:], r.penalty, theta[1:])
		if floats.Norm(grad, math.Inf(1)) < gradientGoal*float64(n) {
			return theta, &chol, nil
		}
		var step mat.VecDense
		if err := chol.SolveVecTo(&step, mat.NewVecDense(p, grad)); err != nil {
			return nil, nil, singular()
		}
		size, better := 1.0, false
		for range 30 {
			floats.AddScaledTo(next, theta, -size, step.RawVector().Data)
			if g := r.value(next, fitted); g <= f+1e-12*math.Abs(f) {
				f, better = g, true
				break
			}
			size /= 2
		}
		if !better {
			break
		}
		copy(theta, next)
	}
	return nil, nil, notIdentified("the likelihood has no minimum within %d steps: raise the penalty", newtonSteps)
}

func singular() error {
	return notIdentified("the attributes do not tell the coefficients apart: raise the penalty or leave some out")
}

// block is how many rows are weighted at a time: the weighted copy of all would be as large as x.
const block = 512

// curvature is x' W x plus the penalty; it leaves the residuals p - t behind.
func (r regression) curvature(fitted, residual []float64) *mat.SymDense {
	n, p := r.x.Dims()
	h, weighted := mat.NewSymDense(p, nil), mat.NewDense(block, p, nil)
	for from := 0; from < n; from += block {
		rows := min(block, n-from)
		for i := range rows {
			prob := sigmoid(fitted[from+i])
			residual[from+i] = prob - r.target[from+i]
			floats.ScaleTo(weighted.RawRowView(i), math.Sqrt(prob*(1-prob)), r.x.RawRowView(from+i))
		}
		part := weighted.RawMatrix()
		part.Rows = rows
		blas64.Syrk(blas.Trans, 1, part, 1, h.RawSymmetric())
	}
	for j := 1; j < p; j++ {
		h.SetSym(j, j, h.At(j, j)+r.penalty)
	}
	return h
}
