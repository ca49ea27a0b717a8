package realkafka

import (
	"context"
	"net/http"
	"sync"
)

// Control lets other processes hurt the broker, one at a time: POST /restart stops and starts it, POST /crash kills and
// starts it. Both answer 204 once it answers again, or 500 with the reason. It must be served on loopback only, at a
// path that cannot be guessed.
func Control(b *Broker) http.Handler {
	var one sync.Mutex
	mux := http.NewServeMux()
	for path, end := range map[string]func() error{"/restart": b.Stop, "/crash": b.Kill} {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			one.Lock()
			defer one.Unlock()
			if err := again(context.WithoutCancel(r.Context()), b, end); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			w.WriteHeader(http.StatusNoContent)
		})
	}
	return mux
}

func again(ctx context.Context, b *Broker, end func() error) error {
	if err := end(); err != nil {
		return err
	}
	return b.Start(ctx)
}
