/** Elements by id, and new ones. Text is only ever set as text. */
export const byId = (id) => document.getElementById(id)

/** @param children elements and texts */
export const element = (name, attributes = {}, ...children) => {
  const node = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) node.setAttribute(key, value === true ? '' : value)
  }
  node.append(...children.filter((child) => child !== undefined))
  return node
}

/** Text whose `backticks` become code. */
export const prose = (text) =>
  text
    .split(/`([^`]*)`/)
    .map((part, index) =>
      index % 2 === 1 ? element('code', {}, part) : part.replaceAll('\\|', '|'),
    )

/** Changes nothing where nothing has changed, so that focus and selection survive. */
export const setText = (node, text) => {
  if (node.textContent !== text) node.textContent = text
}

/** Replaces what is in a node only if what it is made from has changed. */
const shown = new WeakMap()
export const fill = (node, data, render) => {
  const key = JSON.stringify(data)
  if (shown.get(node) === key) return
  shown.set(node, key)
  node.replaceChildren(...render(data))
}
