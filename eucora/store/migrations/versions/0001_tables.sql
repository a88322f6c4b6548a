-- 0001: projections, governance and access. The record is in 0001_record.sql, rights are in 0001_grants.sql.

CREATE TABLE change_claim (
    tenant VARCHAR NOT NULL,
    scope VARCHAR NOT NULL,
    application_id VARCHAR NOT NULL,
    ring VARCHAR NOT NULL,
    deployment_id VARCHAR NOT NULL,
    claimed_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    PRIMARY KEY (tenant, scope, application_id, ring)
);
CREATE INDEX ix_change_claim_deployment_id ON change_claim (deployment_id);

CREATE TABLE deployment (
    id VARCHAR NOT NULL,
    tenant VARCHAR NOT NULL,
    correlation_id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    application_id VARCHAR NOT NULL,
    application_name VARCHAR NOT NULL,
    application_version VARCHAR NOT NULL,
    application_vendor VARCHAR NOT NULL,
    application_category VARCHAR NOT NULL,
    business_unit VARCHAR NOT NULL,
    acquisition_boundary VARCHAR NOT NULL,
    site VARCHAR NOT NULL,
    requester VARCHAR NOT NULL,
    author VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    reason_code VARCHAR NOT NULL,
    reason_sentence VARCHAR NOT NULL,
    reason_since timestamptz NOT NULL,
    ring VARCHAR NOT NULL,
    target_ring VARCHAR NOT NULL,
    planes TEXT[] NOT NULL,
    risk_score INTEGER,
    risk_model VARCHAR NOT NULL,
    risk_model_version VARCHAR NOT NULL,
    tier VARCHAR NOT NULL,
    blast_radius_class VARCHAR NOT NULL,
    quorum INTEGER NOT NULL,
    pack_digest VARCHAR NOT NULL,
    release_digest VARCHAR NOT NULL,
    artifact_sha256 VARCHAR NOT NULL,
    adopted_by VARCHAR NOT NULL,
    rolling_back BOOLEAN NOT NULL,
    rollback_automatic BOOLEAN NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    sequence INTEGER NOT NULL,
    state_json JSON NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (correlation_id)
);
CREATE INDEX deployment_application ON deployment (application_id);
CREATE INDEX deployment_newest ON deployment (tenant, created_at, id);
CREATE INDEX deployment_planes ON deployment USING gin (planes);
CREATE INDEX deployment_requester ON deployment (requester);
CREATE INDEX deployment_state ON deployment (state);

CREATE TABLE evidence_pack (
    pack_digest VARCHAR NOT NULL,
    tenant VARCHAR NOT NULL,
    pack_id VARCHAR NOT NULL,
    version INTEGER NOT NULL,
    release_digest VARCHAR NOT NULL,
    author VARCHAR NOT NULL,
    business_unit VARCHAR NOT NULL,
    acquisition_boundary VARCHAR NOT NULL,
    site VARCHAR NOT NULL,
    document JSON NOT NULL,
    created_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    PRIMARY KEY (pack_digest),
    CONSTRAINT evidence_pack_version UNIQUE (tenant, pack_id, version)
);
CREATE INDEX evidence_pack_newest ON evidence_pack (tenant, created_at, pack_digest);
CREATE INDEX ix_evidence_pack_release_digest ON evidence_pack (release_digest);

CREATE TABLE idempotency_key (
    caller VARCHAR NOT NULL,
    key VARCHAR NOT NULL,
    tenant VARCHAR NOT NULL,
    body_digest VARCHAR NOT NULL,
    resource_id VARCHAR NOT NULL,
    correlation_id VARCHAR,
    response_status INTEGER,
    response JSON,
    created_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    completed_at timestamptz,
    PRIMARY KEY (caller, key),
    UNIQUE (correlation_id)
);

CREATE INDEX ix_idempotency_key_resource_id ON idempotency_key (resource_id);

CREATE TABLE submission (
    deployment_id VARCHAR NOT NULL,
    start_digest VARCHAR NOT NULL,
    created_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    PRIMARY KEY (deployment_id, start_digest)
);

CREATE TABLE line_stop (
    id VARCHAR NOT NULL,
    tenant VARCHAR NOT NULL,
    plane VARCHAR NOT NULL,
    application_id VARCHAR NOT NULL,
    deployment_id VARCHAR NOT NULL,
    stopped_by VARCHAR NOT NULL,
    why VARCHAR NOT NULL,
    stopped_at timestamptz NOT NULL,
    released_by VARCHAR NOT NULL,
    release_why VARCHAR NOT NULL,
    released_at timestamptz,
    PRIMARY KEY (id)
);

CREATE TABLE policy_document (
    tenant VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    version VARCHAR NOT NULL,
    digest VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    document JSON NOT NULL,
    created_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    PRIMARY KEY (tenant, kind, name, version)
);

CREATE TABLE risk_assessment (
    assessment_digest VARCHAR NOT NULL,
    tenant VARCHAR NOT NULL,
    document JSON NOT NULL,
    created_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    PRIMARY KEY (assessment_digest)
);

CREATE TABLE risk_model (
    tenant VARCHAR NOT NULL,
    digest VARCHAR NOT NULL,
    model_id VARCHAR NOT NULL,
    version VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    document JSON NOT NULL,
    created_at timestamptz DEFAULT clock_timestamp() NOT NULL,
    PRIMARY KEY (tenant, digest),
    CONSTRAINT risk_model_version UNIQUE (tenant, model_id, version)
);

CREATE TABLE cab_request (
    id VARCHAR NOT NULL,
    deployment_id VARCHAR NOT NULL,
    tenant VARCHAR NOT NULL,
    checkpoint INTEGER NOT NULL,
    ring VARCHAR NOT NULL,
    covers_first INTEGER NOT NULL,
    covers_last INTEGER NOT NULL,
    round INTEGER NOT NULL,
    status VARCHAR NOT NULL,
    quorum INTEGER NOT NULL,
    pack_digest VARCHAR NOT NULL,
    requester VARCHAR NOT NULL,
    opened_at timestamptz NOT NULL,
    remind_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    reminded BOOLEAN NOT NULL,
    escalated BOOLEAN NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(deployment_id) REFERENCES deployment (id)
);
CREATE INDEX cab_request_requester ON cab_request (requester);
CREATE INDEX cab_request_status ON cab_request (tenant, status, due_at);
CREATE INDEX ix_cab_request_deployment_id ON cab_request (deployment_id);

CREATE TABLE cab_vote (
    deployment_id VARCHAR NOT NULL,
    message_id VARCHAR NOT NULL,
    tenant VARCHAR NOT NULL,
    checkpoint INTEGER,
    round INTEGER,
    voter VARCHAR NOT NULL,
    decision VARCHAR NOT NULL,
    conditions JSON,
    comment VARCHAR NOT NULL,
    outcome VARCHAR NOT NULL,
    code VARCHAR NOT NULL,
    sentence VARCHAR NOT NULL,
    at timestamptz NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (deployment_id, message_id),
    FOREIGN KEY(deployment_id) REFERENCES deployment (id)
);
CREATE INDEX cab_vote_message ON cab_vote (message_id);

CREATE TABLE hold (
    deployment_id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    reference VARCHAR NOT NULL,
    tenant VARCHAR NOT NULL,
    who VARCHAR NOT NULL,
    why VARCHAR NOT NULL,
    since timestamptz NOT NULL,
    PRIMARY KEY (deployment_id, kind, reference),
    FOREIGN KEY(deployment_id) REFERENCES deployment (id)
);

CREATE TABLE plane_run (
    deployment_id VARCHAR NOT NULL,
    ring VARCHAR NOT NULL,
    plane VARCHAR NOT NULL,
    tenant VARCHAR NOT NULL,
    ring_order INTEGER NOT NULL,
    status VARCHAR NOT NULL,
    targeted INTEGER NOT NULL,
    membership_digest VARCHAR NOT NULL,
    object_id VARCHAR NOT NULL,
    assignment_id VARCHAR NOT NULL,
    revision INTEGER NOT NULL,
    failure_operation VARCHAR NOT NULL,
    failure_code VARCHAR NOT NULL,
    failure_sentence VARCHAR NOT NULL,
    rehearsed BOOLEAN,
    rehearsal_sentence VARCHAR NOT NULL,
    rollback_failure VARCHAR NOT NULL,
    succeeded INTEGER DEFAULT 0 NOT NULL,
    failed INTEGER DEFAULT 0 NOT NULL,
    in_progress INTEGER DEFAULT 0 NOT NULL,
    unknown INTEGER DEFAULT 0 NOT NULL,
    figures JSON,
    observed_at timestamptz,
    PRIMARY KEY (deployment_id, ring, plane),
    FOREIGN KEY(deployment_id) REFERENCES deployment (id)
);

CREATE TABLE ring_run (
    deployment_id VARCHAR NOT NULL,
    ring VARCHAR NOT NULL,
    tenant VARCHAR NOT NULL,
    ring_order INTEGER NOT NULL,
    status VARCHAR NOT NULL,
    success_rate FLOAT NOT NULL,
    frozen_at timestamptz,
    started_at timestamptz,
    soak_since timestamptz,
    soak_until timestamptz,
    soak_skipped BOOLEAN NOT NULL,
    gate_result VARCHAR NOT NULL,
    gate_checks JSON NOT NULL,
    gate_until timestamptz,
    gate_at timestamptz,
    promoted_at timestamptz,
    PRIMARY KEY (deployment_id, ring),
    FOREIGN KEY(deployment_id) REFERENCES deployment (id)
);
