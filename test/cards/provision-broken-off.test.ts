/** Whatever is lost while a device is made on a card, the same command and the same card end with one device that works. */

import { describe, expect, test } from "vitest";
import { INS_SET_STATUS, LIFE_BLANK, LIFE_OPERATIONAL } from "../../firmware/protocol/apdu.js";
import { joinSite } from "../../host/world/join.js";
import { Site } from "../../host/world/site.js";
import {
  blanks,
  entries,
  expectJoined,
  home,
  join,
  livesAt,
  newOrder,
  type Order,
  parts,
  places,
  provideEconomy,
  putBlank,
  refusal,
  torn,
} from "./provisioning.js";

provideEconomy();

describe("broken off", { timeout: 240_000 }, () => {
  test("at every command, before and after the card has carried it out: the same again ends with one device", async () => {
    putBlank();
    await join(newOrder());
    const commands = places.sent.length;
    expect(commands).toBeGreaterThan(50);
    const seen = new Set<string>();
    for (const how of ["lost", "done", "late"] as const) {
      for (let command = 1; command <= commands; command += 1) {
        const order = newOrder();
        putBlank();
        const at = `command ${command} of ${commands}, ${how}`;
        const error = await torn(order, command, how);
        const [entry] = entries(order.name);
        if (error === undefined) {
          // An element that is asked again answers as before.
          expect(how, at).toBe("late");
        } else if (entry === undefined) {
          expect(error.message, at).toMatch(/taken out of A\. Nothing was changed and no money moved/);
          seen.add("nothing");
        } else {
          expect(error.message, at).toMatch(/^Making the device .* What was made is kept.* again with the same card/);
          expect(error.message, at).not.toMatch(/wallet resume/);
          seen.add(entry.unfinished?.onCard?.begun.join() ?? "");
        }
        if (error !== undefined) await join(order);
        await expectJoined(order).catch((reason: unknown) => {
          throw new Error(`${at}: ${String(reason)}`);
        });
      }
    }
    expect([...seen].sort()).toEqual(["", "agent", "agent,module", "nothing"]);
  });

  test("when both were paired and not closed, and then at every command of pairing them again", async () => {
    const closingOf = async (order: Order) => {
      await join(order);
      return places.sent.findIndex(([, ins, , p2]) => ins === INS_SET_STATUS && p2 === LIFE_OPERATIONAL) + 1;
    };
    putBlank();
    const closing = await closingOf(newOrder());
    const tornWhenPaired = async () => {
      const order = newOrder();
      putBlank();
      expect((await torn(order, closing, "lost"))?.message).toMatch(/broken off/);
      return order;
    };
    const again = await closingOf(await tornWhenPaired());
    expect([closing > 30, again > 10]).toEqual([true, true]);
    for (let command = 1; command <= again; command += 1) {
      for (const how of ["lost", "done"] as const) {
        const order = await tornWhenPaired();
        expect(await torn(order, command, how)).toBeDefined();
        await join(order);
        await expectJoined(order);
      }
    }
  });

  test("by a power cut within a command, before or after any of what the chips write: the store is one or the other", async () => {
    let writes = 0;
    let cutAt = Number.POSITIVE_INFINITY;
    let cut: "before" | "after" = "before";
    const joinWith = (order: Order): Promise<string> => {
      places.takeOutAll();
      const chips = blanks("cut");
      for (const { element } of chips) {
        element.chip.onOperation = () => {
          writes += 1;
          return writes === cutAt ? { cut } : undefined;
        };
      }
      places.put("A", chips);
      writes = 0;
      return refusal(order);
    };
    expect(await joinWith(newOrder())).toBe("");
    const all = writes;
    expect(all).toBeGreaterThan(80);
    for (cutAt = 1; cutAt <= all; cutAt += 2) {
      cut = cutAt % 4 === 1 ? "before" : "after";
      const order = newOrder();
      expect(await joinWith(order), `write ${cutAt}`).toMatch(/The card was taken out of A/);
      await join(order);
      await expectJoined(order);
    }
  });

  test("again and again", async () => {
    let seed = 20_261_126;
    const drawn = (below: number) => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return (seed >>> 8) % below;
    };
    for (let trial = 0; trial < 20; trial += 1) {
      const order = newOrder();
      putBlank();
      for (let tears = 0; tears < 4; tears += 1) {
        const error = await torn(order, 1 + drawn(70), drawn(2) === 0 ? "lost" : "done");
        if (error === undefined) break;
      }
      if (entries(order.name)[0]?.unfinished !== undefined || entries(order.name).length === 0) await join(order);
      await expectJoined(order);
    }
  });

  test("because a file of the home cannot be written, whichever it is: neither chip nor order is ahead of the other", async () => {
    home.writes = 0;
    putBlank();
    await join(newOrder());
    const { writes } = home;
    for (let failsAt = 1; failsAt <= writes; failsAt += 1) {
      for (const isWritten of [false, true]) {
        const order = newOrder();
        putBlank();
        Object.assign(home, { writes: 0, failsAt, isWritten });
        await expect(join(order)).rejects.toThrow(/The disk is full/);
        home.failsAt = Number.POSITIVE_INFINITY;
        const isOver = entries(order.name).some(({ unfinished }) => unfinished === undefined);
        if (entries(order.name).length === 0) expect(await livesAt("A")).toEqual([LIFE_BLANK, LIFE_BLANK]);
        if (!isOver) await join(order);
        await expectJoined(order);
      }
    }
  });

  test("when only accounts are missing: the card is not needed any more", async () => {
    const order = newOrder();
    putBlank();
    const failing = joinSite(Site.read(parts), order, () => {
      throw new Error("The paper is used up.");
    });
    await expect(failing).rejects.toThrow(/paper is used up/);
    const card = [...places.cards];
    places.takeOutAll();
    const { device: _, ...inNoPlace } = order;
    expect((await join(inNoPlace)).places).toBeUndefined();
    expect(card).toHaveLength(1);
    expect(Site.read(parts).record(order.name).onCard).toBe(true);
    expect(await refusal(order)).toMatch(/there already/);
  });

  test("and gone on with in another place, or with another card: that is refused, and says which one is missing", async () => {
    const order = newOrder();
    const begun = blanks("begun");
    places.put("A", begun);
    // In the middle of its agent.
    expect(await torn(order, 14, "done")).toBeDefined();
    const [entry] = entries(order.name);
    expect(entry?.unfinished?.onCard?.begun).toEqual(["agent"]);
    const { agent } = entry?.unfinished?.onCard?.device ?? {};
    const before = JSON.stringify(Site.read(parts).state);
    // A blank one, one that is somebody's, one that is on its way to be somebody's, and no place at all.
    places.put("Blank", blanks("blank"));
    const other = newOrder({ device: ["Other"] });
    places.put("Other", blanks("other"));
    await join(other);
    const third = newOrder({ device: ["Third"] });
    places.put("Third", blanks("third"));
    expect(await torn(third, 14, "done")).toBeDefined();
    for (const title of ["Blank", "Other", "Third"]) {
      const message = await refusal({ ...order, device: [title] });
      expect(message).toMatch(
        new RegExp(`agent of ${order.name} was begun .* not in ${title}: its id is to be ${agent?.id}`),
      );
      expect(message).toMatch(/Nothing was changed and no money moved\. Put that card in/);
    }
    expect(await livesAt("Blank")).toEqual([LIFE_BLANK, LIFE_BLANK]);
    const { device: _, ...inNoPlace } = order;
    expect(await refusal(inNoPlace)).toMatch(/begun on a card \(agent [0-9a-f]{32}.*--device PLACE/);
    expect(await refusal({ ...order, holder: "Dora Dale" })).toMatch(/--holder was .*--device PLACE" without other/);
    expect(JSON.stringify(Site.read(parts).state.customers.filter(({ name }) => name === order.name))).toBe(
      JSON.stringify(
        (JSON.parse(before) as { customers: { name: string }[] }).customers.filter(({ name }) => name === order.name),
      ),
    );
    // The card itself in another reader is as good as in the first.
    places.put("B", begun);
    await join({ ...order, device: ["B"] });
    await expectJoined({ ...order, device: ["B"] });
    await join(third);
  });

  test("in the home, it is not gone on with on a card", async () => {
    const { device, ...inHome } = newOrder();
    home.writes = 0;
    Object.assign(home, { failsAt: 5, isWritten: false });
    await expect(join(inHome)).rejects.toThrow(/disk is full/);
    home.failsAt = Number.POSITIVE_INFINITY;
    putBlank();
    expect(entries(inHome.name)).toHaveLength(1);
    expect(await refusal({ ...inHome, device })).toMatch(/--device was not the same.*without options/);
    expect(await livesAt("A")).toEqual([LIFE_BLANK, LIFE_BLANK]);
    await join(inHome);
  });
});
