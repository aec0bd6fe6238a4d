/** Parts of a home: one process at a time has each, and whoever is killed has none any more. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Claims, PartInUseError } from "../../host/world/claims.js";
import { FolderHome, HomeLockedError } from "../../host/world/home.js";
import { type Child, childModule, endChildren } from "../support/processes.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tallystick-claims-"));
});
afterEach(async () => {
  await endChildren();
  rmSync(folder, { recursive: true, force: true });
});

const file = (name: string) => join(folder, "parts", name);

/** Another process that has the bank, and serves it at this URL if any. */
async function otherProcess(url?: string): Promise<Child> {
  const child = childModule(`
    const { Claims } = await import(file("world/claims.js"));
    const claims = new Claims(${JSON.stringify(folder)});
    claims.take("bank");
    ${url === undefined ? "" : `claims.announce("bank", ${JSON.stringify(url)});`}
    console.log("taken");
    setInterval(() => claims.holder("network"), 1);
  `);
  await child.line(/taken/);
  return child;
}

describe("a part of a home", () => {
  test("belongs to one; another of the same process is refused, and gets it when it is released", () => {
    const [one, other] = [new Claims(folder), new Claims(folder)];
    one.take("wallet-alice");
    one.take("wallet-alice");
    expect(other.tryTake("wallet-alice")).toBe(false);
    expect(() => other.take("wallet-alice")).toThrow(PartInUseError);
    expect(() => other.take("wallet-alice")).toThrow(/the device alice.*no money moved/);
    other.take("wallet-bob");
    expect(one.holder("wallet-alice")).toBeUndefined();
    expect(other.holder("wallet-alice")).toEqual({ process: process.pid });
    one.release();
    expect(other.holder("wallet-alice")).toBeUndefined();
    other.take("wallet-alice");
    expect(one.tryTake("wallet-alice")).toBe(false);
    other.release();
  });

  test("of another process: its number and address are known, and killing it frees the part at once", async () => {
    const child = await otherProcess("ws://127.0.0.1:7/");
    const claims = new Claims(folder);
    expect(claims.holder("bank")).toEqual({ process: child.pid, url: "ws://127.0.0.1:7/" });
    expect(() => claims.take("bank")).toThrow(new RegExp(`Process ${child.pid} is working in .* with the bank`));
    expect(claims.tryTake("network")).toBe(true);
    child.kill("SIGKILL");
    await child.ended;
    expect(claims.holder("bank")).toBeUndefined();
    claims.take("bank");
    // What the killed one announced is not said of the next.
    expect(JSON.parse(readFileSync(file("bank.json"), "utf8"))).toEqual({ process: process.pid });
    claims.release();
  });

  test("an announcement that is garbled, half written or missing still means that somebody has it", async () => {
    const child = await otherProcess();
    const claims = new Claims(folder);
    for (const text of [
      "",
      "{",
      '{"process":',
      "null",
      "[]",
      "7",
      '{"process":"7"}',
      '{"url":"ws://x/"}',
      "\0".repeat(99),
    ]) {
      writeFileSync(file("bank.json"), text);
      expect(claims.holder("bank"), text).toEqual({});
      expect(() => claims.take("bank"), text).toThrow(/Another process is working/);
    }
    writeFileSync(file("bank.json"), '{"process":7,"url":8}');
    expect(claims.holder("bank")).toEqual({ process: 7 });
    rmSync(file("bank.json"));
    expect(claims.holder("bank")).toEqual({});
    child.kill("SIGKILL");
    await child.ended;
    expect(claims.holder("bank")).toBeUndefined();
  });

  test("is announced by whoever has it, and by nobody else", () => {
    const claims = new Claims(folder);
    expect(() => claims.announce("bank", "ws://x/")).toThrow(RangeError);
    claims.take("bank");
    claims.announce("bank", "ws://x/");
    expect(new Claims(folder).holder("bank")).toEqual({ process: process.pid, url: "ws://x/" });
    claims.announce("bank", "ws://x/", "wss://bank.example/");
    expect(new Claims(folder).holder("bank")?.publicUrl).toBe("wss://bank.example/");
    claims.release();
    expect(new Claims(folder).holder("bank")).toBeUndefined();
  });

  test("is not lost to somebody who only asks, however often", async () => {
    const asking = await Promise.all(
      [1, 2].map(async () => {
        const child = childModule(`
          const { Claims } = await import(file("world/claims.js"));
          const claims = new Claims(${JSON.stringify(folder)});
          console.log("asking");
          const ask = () => { for (let i = 0; i < 20; i += 1) claims.holder("bank"); setImmediate(ask); };
          ask();
        `);
        await child.line(/asking/);
        return child;
      }),
    );
    const claims = new Claims(folder);
    for (let i = 0; i < 150; i += 1) {
      expect(claims.holder("bank"), `nobody has it, ${i}`).toBeUndefined();
      claims.take("bank");
      claims.release();
    }
    expect(asking).toHaveLength(2);
  });

  test("of many that want it at once exactly one gets it", async () => {
    const children = Array.from({ length: 4 }, () =>
      childModule(`
        const { Claims } = await import(file("world/claims.js"));
        console.log(new Claims(${JSON.stringify(folder)}).tryTake("bank") ? "mine" : "not mine");
        setInterval(() => undefined, 1000);
      `),
    );
    const said = await Promise.all(children.map((child) => child.line(/mine/)));
    expect(said.filter((line) => line === "mine")).toHaveLength(1);
  });
});

describe("a lock of version 0.1, which took the whole folder", () => {
  test("of a living process keeps everybody out; of one that is gone, or of nonsense, it is removed", () => {
    for (const holder of [String(process.pid), "1"]) {
      writeFileSync(join(folder, "lock"), holder);
      expect(() => new FolderHome(folder), holder).toThrow(HomeLockedError);
      expect(() => new FolderHome(folder), holder).toThrow(/no money moved.*remove/);
    }
    for (const holder of ["999999999", "", "x", "-1", "0", "1.5"]) {
      writeFileSync(join(folder, "lock"), holder);
      const home = new FolderHome(folder);
      expect(home.holds("lock"), holder).toBe(false);
      home.chips.close();
    }
  });
});
