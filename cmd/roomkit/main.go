// Command roomkit records rooms from the terminal.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"
	kongcompletion "github.com/jotaen/kong-completion"
)

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

type commands struct {
	Record     recordCommand             `cmd:"" help:"Record participants into one file."`
	Inspect    inspectCommand            `cmd:"" help:"Show what is in an MP4 file, finished or not."`
	Repair     repairCommand             `cmd:"" help:"Make an ordinary MP4 of an interrupted or damaged one."`
	Devices    devicesCommand            `cmd:"" help:"List microphones, webcams and screens."`
	Completion kongcompletion.Completion `cmd:"" help:"Print how to switch on completion in your shell."`
	Version    versionCommand            `cmd:"" help:"Print the versions of roomkit and of FFmpeg's libraries."`
}

// streams are what a command talks to. out is for results alone; err takes
// progress, notices and errors.
type streams struct{ out, err io.Writer }

func main() { os.Exit(run(context.Background(), os.Args[1:], streams{os.Stdout, os.Stderr})) }

func run(ctx context.Context, args []string, std streams) int {
	exit := -1
	var cmds commands
	parser, err := kong.New(&cmds,
		kong.Name("roomkit"),
		kong.Description("RoomKit records a whole room, every voice, camera and screen, into one MP4 in sync."),
		kong.UsageOnError(),
		kong.Writers(std.out, std.err),
		kong.Exit(func(code int) { exit = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(std),
	)
	if err != nil {
		fmt.Fprintln(std.err, "roomkit:", err)
		return exitFailed
	}
	kongcompletion.Register(parser)
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	if exit >= 0 { // --help
		return exit
	}
	if err != nil {
		fmt.Fprintf(std.err, "roomkit: %v%s\nRun \"roomkit --help\" or \"roomkit record --help\" to see what is possible.\n", err, whatThereIs(err))
		return exitUsage
	}
	err = command.Run()
	if err == nil {
		return exitDone
	}
	// The library's errors begin with its name, which is the command's too.
	text := strings.TrimPrefix(err.Error(), "roomkit: ")
	if errors.As(err, new(usageError)) {
		fmt.Fprintf(std.err, "roomkit: %s\nRun \"roomkit %s --help\" to see what is possible.\n", text, strings.Fields(command.Command())[0])
		return exitUsage
	}
	fmt.Fprintln(std.err, "roomkit:", text)
	return exitFailed
}
