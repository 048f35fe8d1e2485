# syntax=docker/dockerfile:1

FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# Scripts stay off: `prepare` would compile before the sources are here, and cost the cached layer.
RUN npm ci --ignore-scripts
COPY tsconfig.json LICENSE ./
COPY scripts ./scripts
COPY src ./src
# Its texts are shown by the console page.
COPY docs/errors.md ./docs/errors.md
# Readable for any user id, whatever the modes in the build context.
RUN npm run build && chmod -R a+rX dist package.json LICENSE

# Distroless: node, its libraries and CA certificates, but no shell, npm or package manager, which
# nothing here needs. There are no native modules, so the Debian release of the build is irrelevant.
FROM gcr.io/distroless/nodejs24-debian13:nonroot
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="service-key-proxy" \
  org.opencontainers.image.description="Reverse proxy that turns a bound SAP service key into authenticated calls" \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}"
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json /app/LICENSE ./
COPY --from=build /app/dist ./dist
# Numeric, so that Kubernetes can check runAsNonRoot. Any other id works: nothing is written.
USER 65532:65532
EXPOSE 8080 9090
# No HEALTHCHECK: Kubernetes and Cloud Foundry ask /-/live and /-/ready themselves, and elsewhere it
# would start a second node every time, which does not know a port given as a flag.
ENTRYPOINT ["/nodejs/bin/node", "--max-semi-space-size=16", "--expose-gc", "/app/dist/service-key-proxy.mjs"]
