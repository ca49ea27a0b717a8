package command

import "github.com/strata-crm/strata/shared/local/docstore/mongoerr"

// labelled adds the labels that tell drivers to try the command, or its transaction, again.
func (r *request) labelled(err error) error {
	if err == nil {
		return nil
	}
	err = translate(err)
	if code := mongoerr.CodeOf(err); !retryable[code] && !transient[code] && !transientAtEnd[code] {
		return err
	}
	return r.naturalLabels(mongoerr.From(err))
}

// naturalLabels adds what a server adds to an error of that code by itself.
func (r *request) naturalLabels(e *mongoerr.Error) *mongoerr.Error {
	switch {
	case r.autocommit && !r.cmd.endsTransaction && transient[e.Code], r.cmd.endsTransaction && transientAtEnd[e.Code]:
		return e.WithLabel(mongoerr.TransientTransactionError)
	case r.mayRetry() && retryable[e.Code]:
		return e.WithLabel(mongoerr.RetryableWriteError)
	}
	return e
}

// mayRetry reports whether the driver may send the command again.
func (r *request) mayRetry() bool {
	return r.txnNumber != nil && (r.cmd.retryable && !r.autocommit || r.cmd.endsTransaction)
}

// transientAtEnd are the codes of commitTransaction and abortTransaction after which the whole transaction may be tried again.
var transientAtEnd = map[int32]bool{24: true, 112: true, 239: true, 246: true, 251: true, 267: true}

var retryable = map[int32]bool{6: true, 7: true, 89: true, 91: true, 189: true, 262: true, 9001: true, 10107: true, 11600: true, 11602: true, 13435: true, 13436: true}

var transient = map[int32]bool{6: true, 7: true, 24: true, 89: true, 91: true, 112: true, 134: true, 189: true, 239: true, 246: true, 251: true, 267: true, 9001: true, 10107: true, 11600: true, 11602: true, 13435: true, 13436: true}
