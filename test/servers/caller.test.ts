/** A caller gets a device when it has said something, and keeps it only with a session. */

import { describe, expect, test } from "vitest";
import { ADDRESS_AGENT, KIND_HANDSHAKE, KIND_SEALED } from "../../firmware/protocol/messages.js";
import { CALLER_LIMITS, called, SilentCallerError } from "../../host/communications/caller.js";
import { inProcessLink } from "../../host/communications/in-process.js";
import type { PeerLink } from "../../host/communications/link.js";
import { VirtualTime } from "../support/virtual-time.js";

const hello = Uint8Array.of(ADDRESS_AGENT, KIND_HANDSHAKE, 1);
const sealed = Uint8Array.of(ADDRESS_AGENT, KIND_SEALED, 1);
const turn = () => new Promise((resolve) => setImmediate(resolve));

function ends(): { time: VirtualTime; theirs: PeerLink; ours: PeerLink; isClosed: () => boolean } {
  const time = new VirtualTime();
  const [theirs, ours] = inProcessLink();
  let closed = false;
  theirs.onClose(() => {
    closed = true;
  });
  return { time, theirs, ours, isClosed: () => closed };
}

describe("a caller", () => {
  test("that says nothing is cut off, and that is all", async () => {
    const { time, ours, isClosed } = ends();
    await expect(time.run(called(ours, time))).rejects.toThrow(SilentCallerError);
    await turn();
    expect(isClosed()).toBe(true);
  });

  test("that leaves without a word is forgotten at once", async () => {
    const { time, theirs, ours } = ends();
    const link = called(ours, time);
    theirs.close();
    await expect(link).rejects.toThrow(SilentCallerError);
    expect(time.clock.advanceToNext(), "no timer is left").toBe(false);
  });

  test("is heard from its first message on, in order, however late somebody listens", async () => {
    const { time, theirs, ours } = ends();
    const pending = called(ours, time);
    theirs.send(hello);
    const link = await pending;
    theirs.send(Uint8Array.of(1, 2, 2));
    await turn();
    const heard: Uint8Array[] = [];
    link.onMessage((message) => heard.push(message));
    theirs.send(Uint8Array.of(1, 2, 3));
    await turn();
    expect(heard.map((message) => message[2])).toEqual([1, 2, 3]);
  });

  test("loses the line when no session comes of it; with one it may take its time", async () => {
    for (const answer of [hello, sealed]) {
      const { time, theirs, ours, isClosed } = ends();
      const pending = called(ours, time);
      theirs.send(hello);
      const link = await pending;
      // While it waits for a device no deadline runs.
      expect(time.clock.advanceToNext()).toBe(false);
      link.onMessage(() => link.send(answer));
      const isWaiting = time.clock.advanceToNext();
      await turn();
      expect([isWaiting, isClosed()]).toEqual(answer === hello ? [true, true] : [false, false]);
      if (isWaiting) {
        const told = new Promise<void>((resolve) => link.onClose(resolve));
        await told;
      }
    }
  });

  test("that sends and sends before anybody listens is cut off", async () => {
    const { time, theirs, ours, isClosed } = ends();
    const pending = called(ours, time);
    theirs.send(hello);
    const link = await pending;
    for (let i = 0; i < 70; i += 1) theirs.send(hello);
    await turn();
    expect(isClosed()).toBe(true);
    let heard = 0;
    link.onMessage(() => {
      heard += 1;
    });
    expect(heard).toBeLessThanOrEqual(64);
    await new Promise<void>((resolve) => link.onClose(resolve));
  });

  test("has limits in which a person has no part", () => {
    expect(CALLER_LIMITS.firstWord_ms_max + CALLER_LIMITS.session_ms_max).toBeLessThanOrEqual(30_000);
  });
});
