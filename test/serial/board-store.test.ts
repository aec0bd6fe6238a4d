/** The file of what a board in QEMU keeps (npm run board). */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { demandFree, passOn, StoreError, settleContents, take, unlock } from "../../scripts/hardware/board-store.js";
import { EMULATIONS } from "../../scripts/hardware/emulation.js";

const DEVICE = ["money-module", "trusted-agent"] as const;

let folder: string;
let store: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tallystick-store-"));
  store = join(folder, "chips");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("a store stays that of its board and of its applets, in their order", () => {
  expect(settleContents(store, "cortex-m4", ["purse"], DEVICE)).toEqual({ board: "cortex-m4", applets: ["purse"] });
  expect(settleContents(store, "cortex-m4", undefined, DEVICE).applets).toEqual(["purse"]);
  expect(settleContents(store, "cortex-m4", ["purse"], DEVICE).applets).toEqual(["purse"]);
  expect(() => settleContents(store, "cortex-m4", DEVICE, DEVICE)).toThrow(/store of a cortex-m4 with purse/);
  expect(() => settleContents(store, "posix", undefined, DEVICE)).toThrow(StoreError);
  expect(settleContents(`${store}-2`, "cortex-m4", undefined, DEVICE).applets).toEqual(DEVICE);
  expect(() => settleContents(`${store}-2`, "cortex-m4", [...DEVICE].reverse(), DEVICE)).toThrow(StoreError);
});

test("a store that does not say whose it is is left alone", () => {
  for (const text of [
    '{"board":"x","applets":[]}',
    '{"board":"cortex-m4"}',
    '{"board":"cortex-m4","applets":["y"]}',
    "{",
  ]) {
    writeFileSync(`${store}.json`, text);
    expect(() => settleContents(store, "cortex-m4", undefined, DEVICE)).toThrow(StoreError);
  }
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
