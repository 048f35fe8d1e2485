/** nginx as a proxy that adds a static header: one worker, kept connections, no log. Pure. */

export interface NginxOptions {
  readonly folder: string
  readonly port: number
  readonly upstream: URL
  readonly authorization: string
  readonly caFile: string
  /** Whose files the worker may write; only root can say it. */
  readonly user?: 'root' | undefined
}

export const nginxConfiguration = (options: NginxOptions): string => {
  const { folder, port, upstream, authorization, caFile, user } = options
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  return `
${user === undefined ? '' : `user ${user};`}
daemon off;
worker_processes 1;
pid ${folder}/nginx-${port}.pid;
error_log ${folder}/nginx-${port}.log;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_max_body_size 0;
  large_client_header_buffers 8 16k;
  ${temporary.map((name) => `${name}_temp_path ${folder}/nginx-${name};`).join('\n  ')}
  upstream api {
    server ${upstream.hostname === 'localhost' ? '127.0.0.1' : upstream.hostname}:${upstream.port};
    keepalive 256;
    keepalive_requests 1000000000;
    keepalive_time 24h;
  }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass ${upstream.protocol}//api${upstream.pathname}/;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host ${upstream.host};
      proxy_set_header Authorization "${authorization}";
      proxy_ssl_verify on;
      proxy_ssl_name localhost;
      proxy_ssl_server_name on;
      proxy_ssl_trusted_certificate ${caFile};
      proxy_ssl_session_reuse on;
    }
  }
}
`
}
