package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// durabilityTitle names a group that runs only when --only asks for it: it goes
// at real pace, four minutes with three runs.
const durabilityTitle = "Durability"

const (
	durableRooms = 10
	fastBytes    = 1 << 30
)

// compareDurability prints what it costs to make a file durable while it is
// written, and what to have its index in front.
func compareDurability(ctx context.Context, o options, m material) error {
	if err := m.haveRoom(2 * fastBytes); err != nil {
		return err
	}
	if err := compareSyncs(ctx, o, m.dir); err != nil {
		return err
	}
	return compareFastStart(ctx, o, m.dir)
}

// roomsCost are the costs of one kind of writing.
type roomsCost struct {
	what                    string
	cpu, end, longest, disk series
}

func (c *roomsCost) add(u usage, r roomsOutcome) {
	c.cpu = append(c.cpu, u.cpu)
	c.end = append(c.end, r.Beyond)
	c.longest = append(c.longest, r.LongestWrite)
	c.disk = append(c.disk, r.ToDisk)
}

// run writes rooms in a process of its own into a folder that is removed.
func (c *roomsCost) run(ctx context.Context, dir string, j roomsJob) error {
	j.Dir = filepath.Join(dir, "rooms")
	defer os.RemoveAll(j.Dir)
	if err := os.Mkdir(j.Dir, 0o777); err != nil {
		return err
	}
	out, u, err := record(ctx, job{Rooms: j})
	if err != nil {
		return err
	}
	c.add(u, out.Rooms)
	return nil
}

func compareSyncs(ctx context.Context, o options, dir string) error {
	intervals := []time.Duration{time.Nanosecond, 250 * time.Millisecond, time.Second, -1}
	costs := []*roomsCost{{what: "each fragment"}, {what: "250 ms"}, {what: "1 s"}, {what: "only at the end"}}
	for range o.runs {
		for i, c := range costs {
			if err := c.run(ctx, dir, roomsJob{Rooms: durableRooms, Live: o.live, Sync: intervals[i]}); err != nil {
				return err
			}
		}
	}
	fmt.Printf("\n### %s: %d rooms of a camera and a voice, %v at real pace\n\n", durabilityTitle, durableRooms, o.live)
	fmt.Printf("| synced | CPU s | s beyond real time until all are closed | longest Write, ms | MB to the disk |\n| --- | --- | --- | --- | --- |\n")
	for _, c := range costs {
		fmt.Printf("| %s | %s | %s | %s | %s |\n", c.what, c.cpu.show("%.2f"), c.end.show("%.2f"), c.longest.show("%.1f"), c.disk.show("%.1f"))
	}
	return nil
}

// compareFastStart writes one large file with its index at the end, with it in
// space kept in front, and at the end and then over again with it in front.
func compareFastStart(ctx context.Context, o options, dir string) error {
	costs := []*roomsCost{{what: "at the end"}, {what: "in front, in space kept for it"}, {what: "at the end, then the file rewritten"}}
	for range o.runs {
		for i, c := range costs {
			j := roomsJob{Rooms: 1, Bytes: fastBytes, Sync: 250 * time.Millisecond, Rewrite: i == 2}
			if i == 1 {
				j.FastStart = 16 << 20
			}
			if err := c.run(ctx, dir, j); err != nil {
				return err
			}
		}
	}
	fmt.Printf("\n### %s: the index of a file of %.1f GB\n\n| index | s in all | CPU s | MB to the disk |\n| --- | --- | --- | --- |\n", durabilityTitle, float64(fastBytes)/1e9)
	for _, c := range costs {
		fmt.Printf("| %s | %s | %s | %s |\n", c.what, c.end.show("%.2f"), c.cpu.show("%.2f"), c.disk.show("%.0f"))
	}
	return nil
}
