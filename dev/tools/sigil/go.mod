// The template renderer that Dokku itself uses, at the version that Dokku 0.38 depends on.
module dokku-matrix/tools/sigil

go 1.24

tool github.com/gliderlabs/sigil/cmd

require (
	github.com/dustin/go-jsonpointer v0.0.0-20160814072949-ba0abeacc3dc // indirect
	github.com/dustin/gojson v0.0.0-20160307161227-2e71ec9dd5ad // indirect
	github.com/flynn/go-shlex v0.0.0-20150515145356-3f9db97f8568 // indirect
	github.com/gliderlabs/sigil v0.12.1 // indirect
	github.com/jmespath/go-jmespath v0.4.0 // indirect
	github.com/joho/godotenv v1.5.1 // indirect
	github.com/mgood/go-posix v0.0.0-20150821180505-948c005421f5 // indirect
	github.com/spf13/pflag v1.0.10 // indirect
	gopkg.in/yaml.v2 v2.4.0 // indirect
)
