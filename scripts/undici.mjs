/**
 * Stands in for undici's index in the bundle: what the product and reply-from name of it. The index
 * loads all of undici (fetch, WebSocket, caches, mocks), which is most of what a start is spared by
 * leaving things out: together a fifth. A name that is missing here fails the build.
 */
import buildConnector from 'undici/lib/core/connect.js'
import errors from 'undici/lib/core/errors.js'
import Agent from 'undici/lib/dispatcher/agent.js'
import BalancedPool from 'undici/lib/dispatcher/balanced-pool.js'
import Client from 'undici/lib/dispatcher/client.js'
import Dispatcher from 'undici/lib/dispatcher/dispatcher.js'
import Pool from 'undici/lib/dispatcher/pool.js'
import ProxyAgent from 'undici/lib/dispatcher/proxy-agent.js'
import api from 'undici/lib/api/index.js'

// As the index does.
Object.assign(Dispatcher.prototype, api)

export { Agent, BalancedPool, buildConnector, Client, Dispatcher, errors, Pool, ProxyAgent }
export { getGlobalDispatcher } from 'undici/lib/global.js'
