"""client.admin of the official OpenAI SDK for Python, unmodified, drives organizations, projects, people and keys."""
import openai
import pytest

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def plain(request):
    """A server without models: administration needs none."""
    from harness import Server
    running = Server(models=False).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def org(plain):
    client = openai.OpenAI(base_url=plain.url + "/v1", api_key=plain.key, admin_api_key=plain.key, max_retries=0, timeout=30)
    return client.admin.organization


@pytest.fixture(scope="module")
def project(org):
    return org.projects.create(name="sdk")


def works(plain, key, path="/v1/models"):
    return plain.request("GET", path, key=key)[0]


def test_projects(org, plain):
    made = org.projects.create(name="first name")
    assert made.object == "organization.project" and made.status == "active"
    assert org.projects.retrieve(made.id).name == "first name"
    assert org.projects.update(made.id, name="second name").name == "second name"
    for i in range(5):
        org.projects.create(name=f"p{i}")
    ids = [p.id for p in org.projects.list(limit=2)]
    assert len(ids) == len(set(ids)) and made.id in ids and "proj_default" in ids
    archived = org.projects.archive(made.id)
    assert archived.status == "archived" and archived.archived_at
    assert made.id not in [p.id for p in org.projects.list()]
    assert made.id in [p.id for p in org.projects.list(include_archived=True)]
    with pytest.raises(openai.NotFoundError):
        org.projects.retrieve("proj_nowhere")
    with pytest.raises(openai.APIStatusError):
        org.projects.archive("proj_default")


def test_service_accounts_and_their_keys(org, plain, project):
    account = org.projects.service_accounts.create(project.id, name="robot")
    assert account.object == "organization.project.service_account" and account.role == "member"
    assert account.api_key.value.startswith("sk-atrium-") and works(plain, account.api_key.value) == 200
    assert org.projects.service_accounts.retrieve(account.id, project_id=project.id).name == "robot"
    assert org.projects.service_accounts.update(account.id, project_id=project.id, name="android").name == "android"
    assert [a.id for a in org.projects.service_accounts.list(project.id)] == [account.id]

    second = org.projects.service_accounts.api_keys.create(account.id, project_id=project.id, name="two", scopes=["files"])
    assert works(plain, second.value) == 403 and works(plain, second.value, "/v1/files") == 200
    keys = {k.id: k for k in org.projects.api_keys.list(project.id)}
    assert set(keys) >= {account.api_key.id, second.id}
    one = org.projects.api_keys.retrieve(second.id, project_id=project.id)
    assert one.owner.type == "service_account" and one.owner.service_account.id == account.id
    assert one.last_used_at and second.value not in str(one)
    assert org.projects.api_keys.delete(second.id, project_id=project.id).deleted
    assert works(plain, second.value, "/v1/files") == 401
    assert org.projects.service_accounts.delete(account.id, project_id=project.id).deleted
    assert works(plain, account.api_key.value) == 401
    alone = org.projects.service_accounts.create(project.id, name="alone", create_service_account_only=True)
    assert alone.api_key is None


def test_users(org, plain, project):
    user = plain.json("POST", "/atrium/v1/users", {"email": "Wang@Example.com", "name": "王芳", "role": "reader"})
    assert org.users.retrieve(user["id"]).email == "wang@example.com"
    assert [u.id for u in org.users.list(emails=["wang@example.com"])] == [user["id"]]
    assert org.users.update(user["id"], role="owner").role == "owner"
    added = org.projects.users.create(project.id, user_id=user["id"], role="member")
    assert added.object == "organization.project.user" and added.role == "member"
    assert org.projects.users.update(user["id"], project_id=project.id, role="owner").role == "owner"
    assert org.projects.users.retrieve(user["id"], project_id=project.id).name == "王芳"
    assert [u.id for u in org.projects.users.list(project.id)] == [user["id"]]
    key = plain.json("POST", "/atrium/v1/keys", {"name": "hers", "project_id": project.id, "user_id": user["id"]})
    assert org.projects.api_keys.retrieve(key["id"], project_id=project.id).owner.user.email == "wang@example.com"
    assert org.projects.users.delete(user["id"], project_id=project.id).deleted
    assert works(plain, key["secret"]) == 401, "her keys went with her"
    assert org.users.delete(user["id"]).deleted
    with pytest.raises(openai.NotFoundError):
        org.users.retrieve(user["id"])
    with pytest.raises(openai.APIStatusError) as refused:
        org.invites.create(email="x@example.com", role="reader")
    assert refused.value.status_code == 501 and "/atrium/v1/users" in refused.value.message


def test_admin_api_keys(org, plain):
    made = org.admin_api_keys.create(name="ops", expires_in_seconds=3600)
    assert made.object == "organization.admin_api_key" and made.value and made.expires_at
    assert works(plain, made.value, "/v1/organization/projects") == 200
    assert works(plain, made.value) == 403, "an admin key of this kind calls no model"
    assert org.admin_api_keys.retrieve(made.id).redacted_value != made.value
    assert made.id in [k.id for k in org.admin_api_keys.list(limit=1)]
    assert org.admin_api_keys.delete(made.id).deleted
    assert works(plain, made.value, "/v1/organization/projects") == 401


def test_limits_models_and_budgets(org, plain, project):
    permissions = org.projects.model_permissions.update(project.id, mode="allow_list", model_ids=["gpt-*"])
    assert permissions.mode == "allow_list" and permissions.api_model_ids == ["gpt-*"]
    assert org.projects.model_permissions.retrieve(project.id).api_model_ids == ["gpt-*"]
    assert org.projects.model_permissions.delete(project.id).deleted
    limit = org.projects.spend_limit.update(project.id, currency="USD", interval="month", threshold_amount=1200)
    assert limit.threshold_amount == 1200 and limit.enforcement.status == "enforcing"
    assert org.projects.spend_limit.retrieve(project.id).threshold_amount == 1200
    assert org.projects.spend_limit.delete(project.id).deleted
    org.spend_limit.update(currency="USD", interval="month", threshold_amount=5)
    assert org.spend_limit.retrieve().threshold_amount == 5
    assert org.spend_limit.delete().deleted
    channel = {"type": "email", "recipients": ["a@example.com"]}
    alert = org.projects.spend_alerts.create(project.id, currency="USD", interval="month", threshold_amount=9,
                                             notification_channel=channel)
    assert [a.id for a in org.projects.spend_alerts.list(project.id)] == [alert.id]
    assert org.projects.spend_alerts.retrieve(alert.id, project_id=project.id).threshold_amount == 9
    assert org.projects.spend_alerts.delete(alert.id, project_id=project.id).deleted
    assert list(org.projects.rate_limits.list_rate_limits(project.id)) == [], "no models, no limits"


def test_audit_logs(org, plain):
    project = org.projects.create(name="audited")
    org.projects.archive(project.id)
    records = list(org.audit_logs.list(project_ids=[project.id]))
    assert [r.type for r in records] == ["project.archived", "project.created"]
    assert records[1].project_created.data.name == "audited" and records[1].actor.api_key.id.startswith("key_")
    only = list(org.audit_logs.list(resource_ids=[project.id], event_types=["project.archived"], limit=1))
    assert [r.id for r in only] == [records[0].id]
    at = records[0].effective_at
    assert list(org.audit_logs.list(project_ids=[project.id], effective_at={"gt": at + 60})) == []
    assert len(list(org.audit_logs.list(project_ids=[project.id], effective_at={"gte": at - 60, "lte": at + 60}))) == 2
    everything = [r.id for r in org.audit_logs.list(limit=2)]
    assert len(everything) == len(set(everything)) > 2
    assert plain.json("GET", "/atrium/v1/audit/verify")["whole"] is True


def test_an_ordinary_key_administers_nothing(plain):
    key = plain.json("POST", "/atrium/v1/keys", {"name": "ordinary"})["secret"]
    client = openai.OpenAI(base_url=plain.url + "/v1", api_key=key, admin_api_key=key, max_retries=0)
    for call in (client.admin.organization.projects.list, client.admin.organization.users.list,
                 client.admin.organization.audit_logs.list, client.admin.organization.admin_api_keys.list):
        with pytest.raises(openai.PermissionDeniedError):
            call()
