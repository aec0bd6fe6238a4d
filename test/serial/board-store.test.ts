/** The file of what a board in QEMU keeps (npm run board). */

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { demandFree, lock, StoreError, settleContents, unlock } from "../../scripts/hardware/board-store.js";
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
  demandFree(store);
  lock(store, process.pid);
  expect(() => demandFree(store)).toThrow(/runs on .*chips already, in process/);
  unlock(store);
  demandFree(store);
  const gone = Number(execFileSync(process.execPath, ["-p", "process.pid"], { encoding: "utf8" }));
  lock(store, gone);
  demandFree(store);
  writeFileSync(`${store}.lock`, "");
  demandFree(store);
});

test("commas in paths do not end what QEMU is told", () => {
  const values = EMULATIONS["cortex-m4"]?.values({ image: "i", store: "a,b", applets: DEVICE, clock: "c,d" }) ?? [];
  const told =
    "arg=tallystick,arg=store=a,,b,arg=clock=c,,d,arg=applets=money-module,,trusted-agent,arg=random=/dev/urandom";
  expect(values.at(-1)).toBe(`enable=on,target=native,${told}`);
});
