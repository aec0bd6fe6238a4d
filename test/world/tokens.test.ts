/** Token halves in a home: mint, newspaper and readers as processes of their own, what their commands say, and what each of them refuses. */

import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { contentsOf, type Printed, tally as tallyAnywhere, unpackHome } from "../support/homes.js";
import { commandsOn, type Ended, endChildren, tallyProcess } from "../support/processes.js";

let home: string;
beforeEach(() => {
  home = join(mkdtempSync(join(tmpdir(), "tallystick-tokens-")), "home");
  // A home that version 1 made, before there were token halves.
  unpackHome(home);
});
afterEach(async () => {
  await endChildren();
  rmSync(join(home, ".."), { recursive: true, force: true });
});

const { started, done } = commandsOn(() => home);
const spoken = (...words: string[]): Promise<Ended> => tallyProcess(["--home", home, ...words]).ended;
const tally = (...words: string[]): Promise<Printed> => tallyAnywhere("--home", home, ...words);
async function json(...words: string[]): Promise<Record<string, unknown>> {
  const { code, out, err } = await tally("--json", ...words);
  expect([code, err], words.join(" ")).toEqual([0, ""]);
  return JSON.parse(out) as Record<string, unknown>;
}

interface Sums {
  readonly issued: string;
  readonly outstanding: string;
  readonly redeemed: string;
  readonly refunded: string;
}

function expectSums(value: unknown, sums: Sums): void {
  expect(value).toMatchObject({ units: [{ currency: "USD", ...sums }], faults: [] });
}

/** Mint, bank and all chips, while nobody serves anything. */
async function expectAudit(sums: Sums): Promise<void> {
  expectSums(await json("mint", "audit"), sums);
  const { audit } = (await json("audit")) as { audit: { balanced: boolean }[] };
  expect(audit.map(({ balanced }) => balanced)).toEqual([true, true]);
}

describe("in processes of their own", () => {
  test("mint, bank and newspaper serve readers, and give their parts back", { timeout: 120_000 }, async () => {
    const mint = started("mint", "serve");
    const bank = started("bank", "serve");
    const { url: mintUrl, clearanceUrl } = await mint.event("ready");
    await bank.event("ready");
    expect([mintUrl, clearanceUrl].every((url) => /^http:\/\/127\.0\.0\.1:\d+$/.test(url ?? ""))).toBe(true);
    const newspaper = started("seller", "serve", "gazette");
    const { url } = await newspaper.event("ready");
    const gazette = { name: "gazette", title: "The Harbour Gazette" };
    expect((await done("seller", "list")).value).toEqual({ sellers: [{ ...gazette, url }] });
    expect((await spoken("seller", "list")).out).toBe(`gazette      The Harbour Gazette at ${url}\n`);

    // A part belongs to one process at a time, and the message says to which.
    for (const [words, holder, part] of [
      [["mint", "serve"], mint, "the mint"],
      [["seller", "serve", "gazette"], newspaper, "the seller"],
      [["tokens", "redeem", "gazette"], newspaper, "the seller"],
    ] as const) {
      const { code, err } = await done(...words);
      const sentence = `Process ${holder.pid} is working in .* with ${part}\\. Nothing was done and no money moved`;
      expect([code, err], words.join(" ")).toEqual([1, expect.stringMatching(sentence)]);
    }

    const request = await spoken("tokens", "request", "alice", "gazette", "USD 1.00");
    expect(request).toMatchObject({ code: 0, err: "", out: "alice has USD 1.0000 in 1000 tokens for gazette.\n" });
    expect((await done("tokens", "request", "bob", "gazette", "--tokens", "0.001x100,0.01x20")).value).toMatchObject({
      ...{ owner: "bob", seller: "gazette", tokens: 120, currency: "USD", amount: "0.3000" },
    });
    expect((await spoken("tokens", "balance", "alice")).out).toMatch(
      /^gazette {12}USD 1\.0000 {2}until \d{4}-\d\d-\d\d\n$/,
    );

    const [hers, his] = await Promise.all([
      spoken("tokens", "spend", "alice", `${url}/ferry`),
      done("tokens", "spend", "bob", `${url}/tides`),
    ]);
    expect(hers).toMatchObject({
      code: 0,
      err: "",
      out: expect.stringMatching(/^The ferry runs[\s\S]*\nPaid USD 0\.0020\.\n$/),
    });
    expect(his.value).toMatchObject({ status: 200, paid: { amount: "0.0010" }, body: expect.stringMatching(/^Tide/) });
    const free = await spoken("tokens", "spend", "alice", `${url}/`);
    expect(free).toMatchObject({
      code: 0,
      out: expect.stringMatching(/The Harbour Gazette[\s\S]*Nothing was paid \(status 200\)/),
    });
    const nothing = await spoken("tokens", "spend", "alice", `${url}/unheard-of`);
    expect(nothing).toMatchObject({ code: 1, out: expect.stringMatching(/Nothing was paid \(status 404\)/) });

    // Too dear, and for adults only: nothing is paid.
    const dear = await spoken("tokens", "spend", "alice", `${url}/ferry`, "--max", "USD 0.001");
    expect([dear.code, dear.err]).toEqual([1, expect.stringMatching(/asks for USD 0\.0020, and at most USD 0\.0010/)]);
    const minor = await spoken("tokens", "spend", "alice", `${url}/spirits`);
    expect([minor.code, minor.err]).toEqual([1, expect.stringMatching(/over-21.*Nothing was paid/)]);
    const unproved = await spoken("tokens", "request", "alice", "gazette", "--authorization", "over-21");
    expect([unproved.code, unproved.err]).toEqual([
      1,
      expect.stringMatching(/has not proved that.*No money was taken/),
    ]);
    const [left] = (await done("tokens", "balance", "alice")).value["purses"] as { left: string; tokens: number }[];
    expect(left).toMatchObject({ left: "0.9980", tokens: 998 });

    expect((await spoken("mint", "prove", "alice", "over-21")).out).toMatch(/^alice has proved "over-21", until /);
    const proofs = await done("tokens", "request", "alice", "gazette", "--authorization", "over-21");
    expect(proofs.value).toMatchObject({ tokens: 10, authorization: "over-21" });
    expect((await done("tokens", "spend", "alice", `${url}/spirits`)).value).toMatchObject({
      paid: { amount: "0.0040" },
    });
    expect((await spoken("tokens", "balance", "alice")).out).toMatch(/USD 0\.9940 .*\n.*9 x "over-21" /);

    // Meanwhile the bank works with the same books.
    expect((await done("wallet", "withdraw", "carol", "USD 4.00")).code).toBe(0);
    const served = { issued: "1.3000", outstanding: "1.3000", redeemed: "0.0000", refunded: "0.0000" };
    expectSums((await done("mint", "audit")).value, served);

    // The rest of older tokens comes back when new ones are asked for.
    const flushed = await spoken("tokens", "request", "alice", "gazette", "USD 0.50", "--flush");
    expect(flushed.out).toBe(
      "alice has USD 0.5000 in 500 tokens for gazette.\nUSD 0.9940 of older tokens came back.\n",
    );
    const back = await spoken("tokens", "refund", "bob", "gazette");
    expect(back).toMatchObject({ code: 0, err: "", out: "USD 0.2990 came back from gazette (119 tokens).\n" });
    expect((await done("tokens", "refund", "alice", "gazette", "--authorization", "over-21")).value).toMatchObject({
      ...{ state: "closed", tokens: 9 },
    });

    // Where the newspaper is closed, the mint asks it for its purse all the same, and does not keep it.
    newspaper.kill("SIGTERM");
    expect(await newspaper.ended).toMatchObject({ code: 0, err: "" });
    expect((await done("tokens", "refund", "alice", "gazette")).value).toMatchObject({ amount: "0.5000" });
    const again = started("seller", "serve", "gazette");
    await again.event("ready");

    for (const child of [again, mint, bank]) child.kill("SIGTERM");
    for (const child of [again, mint, bank])
      expect(await child.ended).toMatchObject({ code: 0, signal: null, err: "" });
    expect((await json("seller", "list"))["sellers"]).toEqual([{ ...gazette, url: null }]);
    expect((await tally("tokens", "redeem", "gazette")).out).toBe("There was nothing to redeem.\n");
    await expectAudit({ issued: "1.8000", outstanding: "0.0000", redeemed: "0.0070", refunded: "1.7930" });
  });

  test("a newspaper goes on where the mint was killed, and with the next one", { timeout: 60_000 }, async () => {
    const mint = started("mint", "serve");
    await mint.event("ready");
    const newspaper = started("seller", "serve", "gazette");
    const { url } = await newspaper.event("ready");
    expect((await done("tokens", "request", "alice", "gazette", "USD 1.00")).code).toBe(0);
    mint.kill("SIGKILL");
    await mint.ended;
    // For what is spent nobody needs the mint; who does need it finds it in the home.
    expect((await done("tokens", "spend", "alice", `${url}/tides`)).code).toBe(0);
    expect((await done("tokens", "request", "bob", "gazette", "USD 0.10")).code).toBe(0);
    const next = started("mint", "serve");
    await next.event("ready");
    expect((await done("tokens", "refund", "bob", "gazette")).value).toMatchObject({ amount: "0.1000" });
    newspaper.kill("SIGTERM");
    expect(await newspaper.ended).toMatchObject({ code: 0, err: "" });
    expect(await newspaper.event("redeemed")).toMatchObject({ amount: "0.0010" });
    next.kill("SIGTERM");
    expect((await next.ended).code).toBe(0);
    await expectAudit({ issued: "1.1000", outstanding: "0.9990", redeemed: "0.0010", refunded: "0.1000" });
  });
});

describe("a home that was made before there were token halves", () => {
  test("has them when they are first needed, and is otherwise what it was", { timeout: 60_000 }, async () => {
    const world = readFileSync(join(home, "world.json"));
    expect(existsSync(join(home, "tokens.json"))).toBe(false);
    expect((await tally("tokens", "balance", "alice")).out).toBe("There are no tokens.\n");
    expect(existsSync(join(home, "tokens.json"))).toBe(true);
    await json("tokens", "request", "alice", "gazette", "USD 1.00");
    await json("tokens", "allow", "alice", "gazette", "USD 0.05");
    expect((await json("tokens", "balance", "alice"))["purses"]).toMatchObject([
      { left: "1.0000", allowance: "0.0500" },
    ]);
    await json("tokens", "allow", "alice", "gazette", "0");
    expect((await json("tokens", "balance", "alice"))["purses"]).toMatchObject([{ allowance: "0.0000" }]);
    await json("wallet", "pay", "alice", "bob", "USD 2.50");
    await json("tokens", "refund", "alice", "gazette");
    expect(readFileSync(join(home, "world.json"))).toEqual(world);
    await expectAudit({ issued: "1.0000", outstanding: "0.0000", redeemed: "0.0000", refunded: "1.0000" });
  });
});

describe("what is refused says what happened, and changes nothing", () => {
  /** Each with its own code and sentence. */
  const refused = async (code: number, sentence: RegExp, ...words: string[]) => {
    const { code: said, err } = await tally(...words);
    expect([said, err], words.join(" ")).toEqual([code, expect.stringMatching(sentence)]);
    expect(err, words.join(" ")).not.toMatch(/fault of the program/);
  };

  test("orders that make no sense, strangers, and more than there is", { timeout: 60_000 }, async () => {
    await json("tokens", "request", "alice", "gazette", "USD 1.00");
    const ask = ["tokens", "request", "alice", "gazette"];
    const before = [
      await json("tokens", "balance", "alice"),
      await json("mint", "audit"),
      await json("bank", "account"),
    ];
    await refused(2, /USD 0\.0005 is no number of tokens of USD 0\.0010\. Nothing was bought/, ...ask, "USD 0.0005");
    await refused(2, /"1\.00" is not an amount with a currency\. Nothing was done/, ...ask, "1.00");
    await refused(2, /is in a currency that tokens are not sold in here\. Nothing was done/, ...ask, "EUR 1.00");
    await refused(2, /has more decimals than.*Nothing was done/, ...ask, "--tokens", "0.00001x5");
    await refused(2, /"5" is not like 0\.001x500/, ...ask, "--tokens", "5");
    await refused(2, /not both\. Nothing was bought/, ...ask, "USD 1.00", "--tokens", "0.001x5");
    await refused(
      2,
      /"x" is no number of authorizations\. Nothing was asked for/,
      ...ask,
      "x",
      "--authorization",
      "over-21",
    );
    await refused(2, /number of days from 1 to/, ...ask, "USD 1.00", "--days", "0");
    await refused(2, /"nowhere" is not a URL\. Nothing was paid/, "tokens", "spend", "alice", "nowhere");
    await refused(2, /'abc' is invalid\. It has 4 to 12 digits/, "tokens", "balance", "alice", "--pin", "abc");
    await refused(1, /no customer "mallory"\. No money moved/, "tokens", "balance", "mallory");
    for (const words of [
      ["request", "alice", "nobody", "USD 1.00"],
      ["refund", "alice", "nobody"],
      ["redeem", "nobody"],
    ])
      await refused(1, /no seller "nobody"\. No money moved\. There are: gazette/, "tokens", ...words);
    await refused(1, /no seller "nobody"/, "seller", "serve", "nobody");
    await refused(
      1,
      /bob has no tokens for gazette\. Nothing was done and no money moved/,
      "tokens",
      "allow",
      "bob",
      "gazette",
      "0",
    );
    await refused(1, /already\. Nothing was asked of the bank/, ...ask, "USD 1.00");
    await refused(1, /does not hold so many tokens\. Nothing was asked of the bank/, ...ask, "USD 9000.00", "--flush");
    await refused(1, /does not answer.*Nothing was paid/, "tokens", "spend", "alice", "http://127.0.0.1:9999/");
    const large = ["request", "bob", "gazette", "USD 9000.00", "--token", "1"];
    await refused(1, /there is not enough on the account\. No money was taken/, "tokens", ...large);
    expect((await json("tokens", "balance", "bob"))["purses"]).toEqual([]);
    expect([
      await json("tokens", "balance", "alice"),
      await json("mint", "audit"),
      await json("bank", "account"),
    ]).toEqual(before);
    // With --json the sentence is there for scripts too.
    const { out } = await tally("--json", "tokens", "spend", "alice", "nowhere");
    expect(JSON.parse(out)).toMatchObject({
      error: { name: "UsageError", message: expect.stringMatching(/no money|Nothing/) },
    });
  });

  test("a purse that was flushed for a request that is refused is paid back", async () => {
    await json("tokens", "request", "alice", "gazette", "USD 1.00");
    const large = ["request", "alice", "gazette", "USD 9000.00", "--token", "1", "--flush"];
    await refused(1, /there is not enough on the account/, "tokens", ...large);
    expect((await json("tokens", "balance", "alice"))["purses"]).toMatchObject([{ state: "closed", left: "1.0000" }]);
    expect(await json("tokens", "refund", "alice", "gazette")).toMatchObject({ amount: "1.0000" });
    await expectAudit({ issued: "1.0000", outstanding: "0.0000", redeemed: "0.0000", refunded: "1.0000" });
  });

  test("a wrong PIN, given by hand or in TALLY_PIN", async () => {
    await json("tokens", "request", "alice", "gazette", "USD 1.00");
    await refused(
      1,
      /PIN is wrong; 2 tries are left.*No money moved/,
      "tokens",
      "refund",
      "alice",
      "gazette",
      "--pin",
      "0000",
    );
    const environment = { TALLY_PIN: "9999" };
    const { code, err } = await tallyProcess(["--home", home, "tokens", "refund", "alice", "gazette"], environment)
      .ended;
    expect([code, err]).toEqual([1, expect.stringMatching(/PIN is wrong; 1 tr.* left.*No money moved/)]);
    expect((await json("tokens", "balance", "alice"))["purses"]).toMatchObject([{ state: "open", left: "1.0000" }]);
    await refused(1, /PIN is wrong; 2 tries/, "tokens", "refund", "alice", "gazette", "--pin", "0000");
    await json("tokens", "refund", "alice", "gazette");
  });

  test("files of the home that are damaged or gone", { timeout: 60_000 }, async () => {
    await json("tokens", "request", "alice", "gazette", "USD 1.00");
    const file = join(home, "tokens.json");
    const good = readFileSync(file, "utf8");
    const state = JSON.parse(good) as { mint: object; purses: object[] };
    const commands = [
      ["tokens", "balance", "alice"],
      ["tokens", "request", "alice", "gazette", "USD 1.00"],
      ["tokens", "spend", "alice", "http://127.0.0.1:9999/"],
      ["tokens", "redeem", "gazette"],
      ["mint", "serve"],
      ["mint", "audit"],
      ["mint", "prove", "alice", "over-21"],
      ["seller", "serve", "gazette"],
      ["seller", "list"],
    ];
    for (const text of [
      good.slice(0, 300),
      "",
      "null",
      JSON.stringify({ ...state, version: 2 }),
      JSON.stringify({ ...state, mint: { ...state.mint, chain: "x" } }),
      JSON.stringify({ ...state, sellers: [{}] }),
      JSON.stringify({ ...state, purses: [{ name: "alice" }] }),
    ]) {
      writeFileSync(file, text);
      const before = contentsOf(home);
      for (const words of commands) {
        await refused(
          1,
          /The files in .* do not fit: .*tokens\.json.*Nothing was changed and no money moved/,
          ...words,
        );
      }
      expect(contentsOf(home), text.slice(0, 40)).toEqual(before);
      // What is no business of token halves goes on.
      expect((await json("wallet", "balance", "bob"))["balances"]).toMatchObject([{ spendable: "7.50" }]);
    }
    writeFileSync(file, good);

    const chip = join(home, "chips", "alice.purse");
    cpSync(chip, join(home, "..", "copy"), { recursive: true });
    rmSync(chip, { recursive: true });
    await refused(1, /there is no chips\/alice\.purse\/flash\.bin\. Nothing was changed/, "tokens", "balance", "alice");
    expect(existsSync(chip)).toBe(false);
    cpSync(join(home, "..", "copy"), chip, { recursive: true });
    writeFileSync(join(chip, "flash.bin"), "not a flash");
    await refused(1, /The chip alice\.purse cannot be used.*No money moved/, "tokens", "balance", "alice");
    cpSync(join(home, "..", "copy"), chip, { recursive: true });
    writeFileSync(join(home, "orders-alice.json"), "{");
    await refused(
      1,
      /list of orders.*cannot be read\. Nothing was paid/,
      "tokens",
      "spend",
      "alice",
      "http://127.0.0.1:9999/",
    );
    rmSync(join(home, "orders-alice.json"));
    expect((await json("tokens", "balance", "alice"))["purses"]).toMatchObject([{ state: "open", left: "1.0000" }]);
    expect(await json("tokens", "refund", "alice", "gazette")).toMatchObject({ amount: "1.0000" });
    await expectAudit({ issued: "1.0000", outstanding: "0.0000", redeemed: "0.0000", refunded: "1.0000" });
  });
});
