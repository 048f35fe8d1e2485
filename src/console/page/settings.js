/** The settings in effect. */
import { byId, element } from './dom.js'

const entry = ({ name, value, isDefault }) =>
  element(
    'div',
    isDefault ? {} : { class: 'changed' },
    element('dt', {}, element('code', {}, name)),
    element(
      'dd',
      {},
      value,
      ...(isDefault ? [] : [element('span', { class: 'unseen' }, ' (changed)')]),
    ),
  )

export const showSettings = (settings) => byId('settings').replaceChildren(...settings.map(entry))
