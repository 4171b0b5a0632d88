package main

import (
	"slices"
	"strings"
)

// sourceKind is the word a SOURCE begins with.
type sourceKind string

const (
	sourceMic    sourceKind = "mic"
	sourceWebcam sourceKind = "webcam"
	sourceScreen sourceKind = "screen"
	sourceFile   sourceKind = "file"
	sourceRTP    sourceKind = "rtp"
	sourceTest   sourceKind = "test"
	sourceAVSync sourceKind = "avsync"
)

const sourceHelp = "mic[:device], webcam[:index or path], screen[:display], file:PATH, rtp:SDPFILE, test, avsync"

// takesArgument tells for each kind whether a colon and an argument may follow.
var takesArgument = map[sourceKind]bool{
	sourceMic: true, sourceWebcam: true, sourceScreen: true, sourceFile: true, sourceRTP: true,
	sourceTest: false, sourceAVSync: false,
}

// A source is one SOURCE of the command line.
type source struct {
	kind sourceKind
	arg  string // device, display or path
}

func (s source) String() string {
	if s.arg == "" {
		return string(s.kind)
	}
	return string(s.kind) + ":" + s.arg
}

// device reports whether the source is hardware, which runs in real time.
func (s source) device() bool {
	return s.kind == sourceMic || s.kind == sourceWebcam || s.kind == sourceScreen
}

// live reports whether the source runs in real time, whoever waits for it.
func (s source) live() bool { return s.device() || s.kind == sourceRTP }

// pattern reports whether the source is made by the program itself.
func (s source) pattern() bool { return s.kind == sourceTest || s.kind == sourceAVSync }

// endless reports whether the source goes on until it is stopped.
func (s source) endless() bool { return s.kind != sourceFile }

// A participant is one --participant NAME=SOURCE[,SOURCE…].
type participant struct {
	name    string
	sources []source
}

// defaultParticipants is who is recorded when nobody is named.
func defaultParticipants() []participant {
	return []participant{{"local-user", []source{{kind: sourceMic}, {kind: sourceWebcam}}}}
}

func parseParticipants(args []string) ([]participant, error) {
	if len(args) == 0 {
		return defaultParticipants(), nil
	}
	var all []participant
	for _, arg := range args {
		p, err := parseParticipant(arg)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(all, func(o participant) bool { return o.name == p.name }) {
			return nil, usagef("--participant %q: the name %q is given twice; list its sources in one, separated by commas", arg, p.name)
		}
		all = append(all, p)
	}
	return all, nil
}

func parseParticipant(arg string) (participant, error) {
	name, list, found := strings.Cut(arg, "=")
	if name = strings.TrimSpace(name); !found || name == "" || list == "" {
		return participant{}, usagef("--participant %q is not NAME=SOURCE[,SOURCE…], such as demo=test (a SOURCE is one of: %s)", arg, sourceHelp)
	}
	p := participant{name: name}
	for _, text := range splitSources(list) {
		s, err := parseSource(text)
		if err != nil {
			return participant{}, usagef("--participant %q: %w", arg, err)
		}
		p.sources = append(p.sources, s)
	}
	return p, nil
}

// splitSources splits at the commas that a new source follows, so that paths
// and device names may have commas of their own.
func splitSources(list string) []string {
	parts := strings.Split(list, ",")
	out := parts[:1]
	for _, part := range parts[1:] {
		word, _, _ := strings.Cut(part, ":")
		_, known := takesArgument[sourceKind(word)]
		earlier, _, argued := strings.Cut(out[len(out)-1], ":")
		_, earlierKnown := takesArgument[sourceKind(earlier)]
		if !known && argued && earlierKnown {
			out[len(out)-1] += "," + part
			continue
		}
		out = append(out, part)
	}
	return out
}

func parseSource(text string) (source, error) {
	word, arg, argued := strings.Cut(text, ":")
	s := source{sourceKind(word), arg}
	takes, known := takesArgument[s.kind]
	switch {
	case !known:
		return s, usagef("unknown source %q (allowed: %s)", text, sourceHelp)
	case argued && !takes:
		return s, usagef("source %q takes no argument, but has %q", word, arg)
	case s.kind == sourceFile && arg == "":
		return s, usagef("source file needs a path, as in file:talk.mp4")
	case s.kind == sourceRTP && arg == "":
		return s, usagef("source rtp needs the path of a session description, as in rtp:camera.sdp")
	}
	return s, nil
}
