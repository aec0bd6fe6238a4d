/**
 * One process at a time, by an exclusive lock of SQLite's on a file: the operating system takes it back from a process that was killed.
 */

import Libsql from "libsql";

/** Undefined when another has it, after it was waited for so long. */
export function exclusiveLock(file: string, wait_ms_max: number): Libsql.Database | undefined {
  return locked(file, `PRAGMA busy_timeout = ${wait_ms_max}; BEGIN EXCLUSIVE`);
}

/** Whether somebody has the lock. Asking keeps it from nobody. */
export function isLocked(file: string): boolean {
  const lock = locked(file, "PRAGMA busy_timeout = 0; BEGIN; SELECT count(*) FROM sqlite_master");
  if (lock !== undefined) unlock(lock);
  return lock === undefined;
}

function locked(file: string, statements: string): Libsql.Database | undefined {
  const database = new Libsql(file);
  try {
    database.exec(statements);
    return database;
  } catch (error) {
    database.close();
    if (error instanceof Error && "code" in error && String(error.code).startsWith("SQLITE_BUSY")) return undefined;
    throw error;
  }
}

/** A connection that is closed in a transaction keeps its lock until it is collected. */
export function unlock(lock: Libsql.Database): void {
  lock.exec("ROLLBACK");
  lock.close();
}
