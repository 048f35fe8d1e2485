/**
 * Turns of the event loop. Node reads from all connections that have something, and only then comes to
 * what waits for the end of the turn. Answers are sent there: one process that is woken up for many of
 * them, and a loop that goes round less often, cost less than each answer sent as it comes.
 */

/** What has something to do at the end of a turn. Must not throw: others wait behind it. */
export interface TurnTask {
  endOfTurn(): void
}

export class Turn {
  #tasks: TurnTask[] = []
  #hasWaited = false

  /**
   * Once, after everything that has arrived by now; from the end of a turn on, in the next one. Where
   * there are others, one more turn is waited for, because then there are still more of them soon, and
   * requests to the API, which go out at the ends of turns as well, get there first.
   */
  add(task: TurnTask): void {
    if (this.#tasks.push(task) === 1) setImmediate(this.#end)
  }

  readonly #end = (): void => {
    const tasks = this.#tasks
    this.#hasWaited = tasks.length > 1 && !this.#hasWaited
    if (this.#hasWaited) {
      setImmediate(this.#end)
      return
    }
    this.#tasks = []
    for (const task of tasks) task.endOfTurn()
  }
}
