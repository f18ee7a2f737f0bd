package main

import (
	"archive/tar"
	"encoding/json"
	"io"
	"strings"
	"time"
)

const (
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar+gzip"

	imageName = "tandem-concentrator"
)

// descriptor names a blob (image-spec, descriptor.md).
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Platform    *platform         `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

// manifest is image-spec's manifest.md, index its image-index.md.
type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`
}

type imageIndex struct {
	SchemaVersion int          `json:"schemaVersion"`
	Manifests     []descriptor `json:"manifests"`
}

// configuration is image-spec's config.md.
type configuration struct {
	Created      time.Time `json:"created"`
	Architecture string    `json:"architecture"`
	OS           string    `json:"os"`
	Config       struct {
		User         string              `json:"User"`
		ExposedPorts map[string]struct{} `json:"ExposedPorts"`
		Env          []string            `json:"Env"`
		Entrypoint   []string            `json:"Entrypoint"`
		Cmd          []string            `json:"Cmd"`
		Volumes      map[string]struct{} `json:"Volumes"`
		StopSignal   string              `json:"StopSignal"`
	} `json:"config"`
	RootFS struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
}

// writeLayout writes the image as an archive (image-spec, image-layout.md).
func writeLayout(out io.Writer, arch, version string, l layer, when time.Time) error {
	c := configuration{Created: when, Architecture: arch, OS: "linux"}
	c.Config.User = "5124:5124"
	c.Config.Env = []string{"PATH=/usr/bin"}
	c.Config.ExposedPorts = map[string]struct{}{"5124/tcp": {}}
	c.Config.Entrypoint, c.Config.Cmd = []string{"/" + programPath}, []string{"run"}
	c.Config.Volumes = map[string]struct{}{"/" + statePath: {}}
	c.Config.StopSignal = "SIGTERM"
	c.RootFS.Type, c.RootFS.DiffIDs = "layers", []string{l.diffID}

	var files []file
	blob := func(mediaType string, content []byte) descriptor {
		d := descriptor{MediaType: mediaType, Digest: digest(content), Size: len(content)}
		files = append(files, file{path: "blobs/" + strings.Replace(d.Digest, ":", "/", 1), content: content})
		return d
	}
	encoded := func(v any) []byte {
		text, err := json.Marshal(v)
		if err != nil {
			panic(err) // only our own types come here
		}
		return text
	}
	m := manifest{SchemaVersion: 2, MediaType: manifestType, Config: blob(configType, encoded(c)), Layers: []descriptor{blob(layerType, l.packed)}}
	top := blob(manifestType, encoded(m))
	top.Platform = &platform{arch, "linux"}
	top.Annotations = map[string]string{"org.opencontainers.image.ref.name": version}
	// Beside the standard's, what docker load before 25 looks for.
	docker := []map[string]any{{
		"Config": files[0].path, "Layers": []string{files[1].path}, "RepoTags": []string{imageName + ":" + version},
	}}
	files = append(files,
		file{path: "index.json", content: encoded(imageIndex{2, []descriptor{top}})},
		file{path: "manifest.json", content: encoded(docker)},
		file{path: "oci-layout", content: []byte(`{"imageLayoutVersion":"1.0.0"}`)})
	w := tar.NewWriter(out)
	for _, f := range files {
		h := &tar.Header{Name: f.path, Mode: 0o644, Size: int64(len(f.content)), ModTime: when, Typeflag: tar.TypeReg, Format: tar.FormatPAX}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if _, err := w.Write(f.content); err != nil {
			return err
		}
	}
	return w.Close()
}
