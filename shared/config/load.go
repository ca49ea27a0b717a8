package config

import "reflect"

func load(layer string, environ []string, file string, v reflect.Value) error { return nil }
