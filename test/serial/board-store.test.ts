/** The file of what a board in QEMU keeps (npm run board). */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { AppletName } from "../../scripts/hardware/applets.js";
import {
  demandFree,
  passOn,
  StoreError,
  type StoreOrder,
  settleContents,
  take,
  unlock,
} from "../../scripts/hardware/board-store.js";
import type { BoardName } from "../../scripts/hardware/boards.js";
import { EMULATIONS } from "../../scripts/hardware/emulation.js";

const DEVICE = ["money-module", "trusted-agent"] as const;

let folder: string;
let store: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tallystick-store-"));
  store = join(folder, "chips");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const settled = (board: BoardName, applets?: readonly AppletName[], more: Partial<StoreOrder> = {}) =>
  settleContents(store, { board, applets, usual: DEVICE, ...more });

test("a store stays that of its board and of its applets, in their order", () => {
  expect(settled("cortex-m4", ["purse"])).toEqual({ board: "cortex-m4", applets: ["purse"] });
  expect(settled("cortex-m4").applets).toEqual(["purse"]);
  expect(settled("cortex-m4", ["purse"]).applets).toEqual(["purse"]);
  expect(() => settled("cortex-m4", DEVICE)).toThrow(/store of a cortex-m4 with purse/);
  expect(() => settled("posix")).toThrow(StoreError);
  store = `${store}-2`;
  expect(settled("cortex-m4").applets).toEqual(DEVICE);
  expect(() => settled("cortex-m4", [...DEVICE].reverse())).toThrow(StoreError);
});

test("a store that does not say whose it is is left alone", () => {
  for (const text of [
    '{"board":"x","applets":[]}',
    '{"board":"cortex-m4"}',
    '{"board":"cortex-m4","applets":["y"]}',
    "{",
  ]) {
    writeFileSync(`${store}.json`, text);
    expect(() => settled("cortex-m4")).toThrow(StoreError);
  }
  // Without it the usual applets would take what is there for their own, and wipe their keys.
  rmSync(`${store}.json`);
  writeFileSync(store, "flash");
  expect(() => settled("cortex-m4")).toThrow(/no .*chips\.json.*would lose their keys.*Put it back/);
  expect(readdirSync(folder)).toEqual(["chips"]);
});

test("a store whose keys may come from a seed is never one again that says they do not", () => {
  expect(settled("cortex-m4", ["purse"])).not.toHaveProperty("seeded");
  expect(settled("cortex-m4", undefined, { seeded: true }).seeded).toBe(true);
  expect(() => settled("cortex-m4")).toThrow(/started with --seed before: keys in it may be known/);
  expect(settled("cortex-m4", undefined, { seeded: true })).toEqual({
    board: "cortex-m4",
    applets: ["purse"],
    seeded: true,
  });
});

test("a store is one emulator's at a time, and free when that is gone, however it went", () => {
  take(store);
  expect(() => demandFree(store)).toThrow(/runs on .*chips already, in process/);
  expect(() => take(store)).toThrow(StoreError);
  const gone = Number(execFileSync(process.execPath, ["-p", "process.pid"], { encoding: "utf8" }));
  passOn(store, gone);
  demandFree(store);
  take(store);
  expect(() => demandFree(store)).toThrow(StoreError);
  unlock(store);
  for (const text of ["", "nobody", "-1"]) {
    writeFileSync(`${store}.lock`, text);
    demandFree(store);
    take(store);
    unlock(store);
  }
  expect(readdirSync(folder)).toEqual([]);
});

test("of several that found it free at the same time one has the store", () => {
  // Both look, and build; the other one is first.
  demandFree(store);
  writeFileSync(`${store}.lock`, `${process.ppid}\n`);
  expect(() => take(store)).toThrow(/runs on .*chips already, in process/);
  // A lock that a dead one left is taken over by one of them.
  writeFileSync(`${store}.lock`, "0");
  writeFileSync(`${store}.lock.new`, `${process.ppid}\n`);
  expect(() => take(store)).toThrow(/is being started on .*delete .*chips\.lock\.new/);
  expect(readdirSync(folder)).toEqual(["chips.lock", "chips.lock.new"]);
  rmSync(`${store}.lock.new`);
  take(store);
  expect(readdirSync(folder)).toEqual(["chips.lock"]);
});

test("commas in paths do not end what QEMU is told", () => {
  const values = EMULATIONS["cortex-m4"]?.values({ image: "i", store: "a,b", applets: DEVICE, clock: "c,d" }) ?? [];
  const told =
    "arg=tallystick,arg=store=a,,b,arg=clock=c,,d,arg=applets=money-module,,trusted-agent,arg=random=/dev/urandom";
  expect(values.at(-1)).toBe(`enable=on,target=native,${told}`);
});
