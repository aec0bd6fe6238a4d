/** Books that two processes have open: each waits for the other instead of being refused. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "kysely";
import { expect, test } from "vitest";
import { openDatabase } from "../../host/services/database.js";

interface Tables {
  number: { name: string; value: bigint };
}

test("a transaction that reads before it writes is not refused because another connection wrote meanwhile", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tallystick-test-"));
  const [one, other] = [1, 2].map(() => openDatabase<Tables>({ file: join(folder, "books.sqlite") }));
  if (one === undefined || other === undefined) throw new Error("two connections");
  try {
    const { schema } = one;
    await schema.createTable("number").addColumn("name", "text").addColumn("value", "bigint").execute();
    await one.insertInto("number").values({ name: "count", value: 0n }).execute();
    await sql`pragma busy_timeout = 50`.execute(other);
    let refusal: unknown;
    await one.transaction().execute(async (transaction) => {
      const { value } = await transaction.selectFrom("number").select("value").executeTakeFirstOrThrow();
      // In one process the other would wait in vain, so it is refused; what matters is that the first is not.
      await other.schema
        .createTable("meanwhile")
        .addColumn("name", "text")
        .execute()
        .catch((error: unknown) => {
          refusal = error;
        });
      await transaction
        .updateTable("number")
        .set({ value: value + 1n })
        .execute();
    });
    expect(refusal).toMatchObject({ code: "SQLITE_BUSY" });
    expect(await other.selectFrom("number").select("value").executeTakeFirst()).toEqual({ value: 1n });
  } finally {
    await Promise.all([one.destroy(), other.destroy()]);
    rmSync(folder, { recursive: true, force: true });
  }
});
