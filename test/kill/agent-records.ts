/**
 * What an agent holds pending, read from its flash: of a customer it would say so itself, but what a merchant's agent has closed
 * and still waits to be told by its host (trusted-agent/pending.ts) no command lists.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";

const PAGE_BYTES = 4096;
const PAGE_MAGIC = 0x31535954;
const PAGE_CHAIN = 16;
const PAGE_HEADER_BYTES = 48;
const ENTRY_HEADER_BYTES = 12;
const COMMIT_BYTES = 32;
const KIND_PUT = 0x35;
const KIND_DELETE = 0x5a;
const KIND_COMMIT = 0xa6;
const FIRST = 1;
const RECORD_PENDING = 0x10000000;
const PENDING_MAX = 8;
const STATES = ["none", "open", "paying", "closed", "done"];

/** States of the agent's pending records. One that is done waits for nobody: its module will have heard of it. */
export function pendingOfAgent(home: string, device: string): string[] {
  const flash = readFileSync(join(home, "chips", `${device}.agent`, "flash.bin"));
  const states = new Map<number, number>();
  const read: Entry[] = [];
  for (const page of pagesOf(flash)) readPage(page, read, states);
  return [...states.values()].map((state) => STATES[state] ?? String(state)).filter((state) => state !== "done");
}

/** In the order in which they were written. */
function pagesOf(flash: Buffer): Buffer[] {
  const pages: Buffer[] = [];
  for (let at = 0; at + PAGE_BYTES <= flash.length; at += PAGE_BYTES) {
    const page = flash.subarray(at, at + PAGE_BYTES);
    if (page.readUInt32LE(0) === PAGE_MAGIC) pages.push(page);
  }
  return pages.sort((a, b) => a.readUInt32LE(4) - b.readUInt32LE(4));
}

/** Key, and the state that was put; undefined: deleted. */
type Entry = [key: number, state: number | undefined];

/** Records count once their commit entry is there, which may be on a later page; a page that goes on says so. */
function readPage(page: Buffer, read: Entry[], states: Map<number, number>): void {
  const chain = page.subarray(PAGE_CHAIN, PAGE_HEADER_BYTES);
  if (chain.every((byte) => byte === 0)) read.length = 0;
  for (let at = PAGE_HEADER_BYTES; at + ENTRY_HEADER_BYTES <= page.length; ) {
    const kind = page[at + 6];
    if (kind === KIND_COMMIT) {
      for (const [key, state] of read.splice(0)) {
        if (state === undefined) states.delete(key);
        else states.set(key, state);
      }
      at += COMMIT_BYTES;
      continue;
    }
    if (kind !== KIND_PUT && kind !== KIND_DELETE) return;
    if (page[at + 7] === FIRST) read.length = 0;
    const key = page.readUInt32LE(at);
    const length = page.readUInt16LE(at + 4);
    const isPending = key >= RECORD_PENDING && key < RECORD_PENDING + PENDING_MAX;
    if (isPending) read.push([key, kind === KIND_PUT ? page[at + ENTRY_HEADER_BYTES + 1] : undefined]);
    at += ENTRY_HEADER_BYTES + Math.ceil(length / 4) * 4;
  }
}
