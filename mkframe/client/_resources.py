"""Accessors of the resources that offer `find` and `get` only.

The names of the filters are those of the schema; the import fails where they differ.
"""

from __future__ import annotations

import pandas as pd

from mkframe.client._accessor import Accessor, Bool, GettableAccessor, Id, Name, ReleaseNames, Text

__all__ = [
    "AgentGroups",
    "Agents",
    "Deployments",
    "FunctionalRoles",
    "InstanceFolders",
    "InstanceProperties",
    "Instances",
    "Labels",
    "PatternVariables",
    "Patterns",
    "Projects",
    "ReleaseGroups",
    "Releases",
]


class Projects(GettableAccessor):
    resource = "projects"
    seen: tuple[str, ...] = ()
    """Names of the last answer, sorted, for the client's repr, which must not ask."""

    def find(self, *, name: Text = None) -> pd.DataFrame:
        projects = self._find(name=name)
        if name is None:
            self.seen = tuple(sorted(map(str, projects["name"].dropna())))
        return projects


class Patterns(GettableAccessor):
    resource = "patterns"

    def find(self, *, name: Text = None) -> pd.DataFrame:
        return self._find(name=name)


class Instances(GettableAccessor):
    resource = "instances"

    def find(
        self,
        *,
        project: Name = None,
        project_id: Id = None,
        pattern: Name = None,
        pattern_id: Id = None,
        folder: Text = None,
        name: Text = None,
        releases: ReleaseNames = None,
        checked_out: Bool = None,
        checked_out_by_user_id: Id = None,
        checked_out_by_user: Name = None,
        deleted: Bool = None,
        upload_disabled: Bool = None,
        insert_disabled: Bool = None,
        build_disabled: Bool = None,
        edit_disabled: Bool = None,
        invalid: Bool = None,
    ) -> pd.DataFrame:
        return self._find(
            project=project,
            project_id=project_id,
            pattern=pattern,
            pattern_id=pattern_id,
            folder=folder,
            name=name,
            releases=releases,
            checked_out=checked_out,
            checked_out_by_user_id=checked_out_by_user_id,
            checked_out_by_user=checked_out_by_user,
            deleted=deleted,
            upload_disabled=upload_disabled,
            insert_disabled=insert_disabled,
            build_disabled=build_disabled,
            edit_disabled=edit_disabled,
            invalid=invalid,
        )


class InstanceFolders(GettableAccessor):
    resource = "instance_folders"

    def find(
        self,
        *,
        project: Name = None,
        project_id: Id = None,
        pattern: Name = None,
        pattern_id: Id = None,
        name: Text = None,
        deleted: Bool = None,
    ) -> pd.DataFrame:
        return self._find(
            project=project,
            project_id=project_id,
            pattern=pattern,
            pattern_id=pattern_id,
            name=name,
            deleted=deleted,
        )


class Deployments(GettableAccessor):
    resource = "deployments"

    def find(self, *, pattern: Name = None, pattern_id: Id = None, name: Text = None) -> pd.DataFrame:
        return self._find(pattern=pattern, pattern_id=pattern_id, name=name)


class FunctionalRoles(GettableAccessor):
    resource = "functional_roles"

    def find(self, *, pattern: Name = None, pattern_id: Id = None) -> pd.DataFrame:
        return self._find(pattern=pattern, pattern_id=pattern_id)


class InstanceProperties(GettableAccessor):
    resource = "instance_properties"

    def find(self, *, pattern: Name = None, pattern_id: Id = None) -> pd.DataFrame:
        return self._find(pattern=pattern, pattern_id=pattern_id)


class PatternVariables(Accessor):
    resource = "pattern_variables"

    def find(
        self,
        *,
        pattern: Name = None,
        pattern_id: Id = None,
        project: Name = None,
        project_id: Id = None,
        instance_folder: Name = None,
        instance_folder_id: Id = None,
        instance: Name = None,
        instance_id: Id = None,
        name: Text = None,
        value: Text = None,
    ) -> pd.DataFrame:
        return self._find(
            pattern=pattern,
            pattern_id=pattern_id,
            project=project,
            project_id=project_id,
            instance_folder=instance_folder,
            instance_folder_id=instance_folder_id,
            instance=instance,
            instance_id=instance_id,
            name=name,
            value=value,
        )


class Labels(GettableAccessor):
    resource = "labels"

    def find(
        self,
        *,
        project: Name = None,
        project_id: Id = None,
        pattern: Name = None,
        pattern_id: Id = None,
        name: Text = None,
        color: Text = None,
    ) -> pd.DataFrame:
        return self._find(
            project=project,
            project_id=project_id,
            pattern=pattern,
            pattern_id=pattern_id,
            name=name,
            color=color,
        )


class Releases(GettableAccessor):
    resource = "releases"

    def find(
        self, *, group: Name = None, group_id: Id = None, name: Text = None, closed: Bool = None
    ) -> pd.DataFrame:
        return self._find(group=group, group_id=group_id, name=name, closed=closed)


class ReleaseGroups(GettableAccessor):
    resource = "release_groups"

    def find(self, *, name: Text = None) -> pd.DataFrame:
        return self._find(name=name)


class Agents(GettableAccessor):
    resource = "agents"

    def find(
        self,
        *,
        name: Text = None,
        agent_id: Text = None,
        online: Bool = None,
        group_id: Id = None,
        group: Name = None,
    ) -> pd.DataFrame:
        return self._find(name=name, agent_id=agent_id, online=online, group_id=group_id, group=group)


class AgentGroups(GettableAccessor):
    resource = "agent_groups"

    def find(self, *, name: Text = None) -> pd.DataFrame:
        return self._find(name=name)
